//! A bundle as a file: trailer, envelope, statement, and the monitor's verdict. Nobody's key is trusted, so nothing may
//! be accepted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manifest::bundle::{Envelope, Statement, TRAILER_LEN, Trailer};
use security_monitor::{trust_store::AppKeys, verdict};

fuzz_target!(|bytes: &[u8]| {
    if let Some(last) = bytes.last_chunk::<TRAILER_LEN>()
        && let Ok(trailer) = Trailer::parse(last, bytes.len() as u64)
    {
        assert_eq!(&trailer.to_bytes(), last);
        let begin = usize::try_from(trailer.image_len).unwrap();
        let envelope = &bytes[begin..begin + usize::try_from(trailer.envelope_len).unwrap()];
        judge(envelope);
    }
    judge(bytes);
});

fn judge(envelope: &[u8]) {
    if let Ok(read) = Envelope::parse(envelope)
        && let Ok(payload) = read.payload_bytes()
    {
        let statement = Statement::parse(&payload);
        let _ = statement.map(|statement| statement.manifest_bytes());
        let _ = read.signatures.iter().map(|signature| signature.bytes()).count();
    }
    let keys = AppKeys::parse(br#"{"keys":[]}"#).unwrap();
    assert!(verdict::signed(envelope, &keys).is_err());
}
