//! Bundles and keys for the tests of this crate.

use crate::{merkle, trust_store::AppKeys};
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer, SigningKey};
use manifest::{
    bundle::{PAYLOAD_TYPE, Trailer, pre_authentication_encoding},
    names::Sha256Hex,
};
use sha2::{Digest, Sha256};

pub const COMPONENT: &str = "25025d2c-66da-4448-bae1-ac26fcdd3627";
pub const MANIFEST: &str = r#"{"SchemaVersion":1,"Name":"Sample","ComponentId":"25025d2c-66da-4448-bae1-ac26fcdd3627","EntryPoint":"/bin/app","Capabilities":{}}"#;

/// A bundle of some blocks, signed by `key(1)`, and the store that trusts it.
pub struct Sample {
    pub image: Vec<u8>,
    pub envelope: Vec<u8>,
    pub digest: [u8; 32],
    pub keys: AppKeys,
}

impl Sample {
    pub fn new(blocks: usize) -> Self {
        let image: Vec<u8> = (0..blocks * 4096).map(|i| (i % 253) as u8).collect();
        let envelope = envelope(&statement(&image), &key(1), key_id(&key(1)).as_str());
        let digest = digest(&image);
        let keys = AppKeys::parse(trust_store(&key(1)).as_bytes()).unwrap();
        Self { image, envelope, digest, keys }
    }

    pub fn bundle(&self) -> Vec<u8> {
        bundle(&self.image, &self.envelope)
    }
}

pub fn bundle(image: &[u8], envelope: &[u8]) -> Vec<u8> {
    let trailer = Trailer { image_len: image.len() as u64, envelope_len: envelope.len() as u32 };
    [image, envelope, &trailer.to_bytes()].concat()
}

pub fn digest(image: &[u8]) -> [u8; 32] {
    let mut tree = merkle::Tree::default();
    image.chunks(merkle::BLOCK).for_each(|block| tree.add(block));
    tree.digest()
}

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub fn key_id(key: &SigningKey) -> Sha256Hex {
    Sha256Hex::from(<[u8; 32]>::from(Sha256::digest(key.verifying_key().as_bytes())))
}

pub fn trust_store(key: &SigningKey) -> String {
    let public = base64(key.verifying_key().as_bytes());
    let id = key_id(key);
    format!(r#"{{"keys":[{{"algorithm":"ed25519","key_id":"{id}","public_key":"{public}","roles":["app"],"comment":"test"}}]}}"#)
}

pub fn statement(image: &[u8]) -> String {
    let (digest, size, manifest) = (Sha256Hex::from(digest(image)), image.len(), base64(MANIFEST.as_bytes()));
    format!(
        r#"{{"schema":1,"component_id":"{COMPONENT}","version":7,"version_name":"1.2","platform_abi":1,"manifest":"{manifest}","image":{{"algorithm":"fs-verity-sha256-4096","digest":"{digest}","size":{size}}}}}"#
    )
}

pub fn envelope(statement: &str, key: &SigningKey, hint: &str) -> Vec<u8> {
    let signature = key.sign(&pre_authentication_encoding(PAYLOAD_TYPE, statement.as_bytes()));
    let (payload, signature) = (base64(statement.as_bytes()), base64(&signature.to_bytes()));
    format!(r#"{{"payloadType":"{PAYLOAD_TYPE}","payload":"{payload}","signatures":[{{"keyid":"{hint}","sig":"{signature}"}}]}}"#)
        .into_bytes()
}

pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
