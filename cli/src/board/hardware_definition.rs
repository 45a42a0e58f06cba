//! Azure Sphere's hardware definitions: names of peripherals in JSON files that import one another, down to the chip's own.
//!
//! The format was read off public files of boards and apps; what they do not show is refused.

use manifest::{
    app::SchemaVersion,
    names::PeripheralName,
    read::{self, ReadError},
};
use serde::{Deserialize, Serialize};

/// Longest hardware definition that is read. The largest of 12 public ones has 10 KiB.
pub const DEFINITION_LIMIT: usize = 1 << 20;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct HardwareDefinition {
    /// For editors.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// What the file is.
    pub metadata: Metadata,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// Files whose names are used here.
    #[serde(default)]
    pub imports: Vec<Import>,
    /// The names.
    pub peripherals: Vec<Peripheral>,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Metadata {
    /// Always the same words.
    pub r#type: FileType,
    /// Always 1.
    pub version: SchemaVersion,
}

/// The words that say that a file is a hardware definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileType {
    /// It is one.
    #[serde(rename = "Azure Sphere Hardware Definition")]
    HardwareDefinition,
}

/// For people.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct Description {
    /// What it describes.
    pub name: String,
    /// What the C header begins with: license and comments.
    pub main_core_header_file_top_content: Vec<String>,
}

/// An import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Import {
    /// Relative to the file that imports, or to a folder that the command names.
    pub path: String,
}

/// A name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Peripheral {
    /// The name.
    pub name: PeripheralName,
    /// Of what.
    pub r#type: Type,
    /// The name that it stands for; absent in the chip's own file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<PeripheralName>,
    /// In the chip's own file: the number in the C header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main_core_header_value: Option<String>,
    /// In the chip's own file: what the manifest of a real-time app says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_manifest_value: Option<ManifestValue>,
    /// For people.
    #[serde(default)]
    pub comment: String,
}

/// What the manifest of a real-time app says for a peripheral.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ManifestValue {
    /// A number of the chip.
    Number(u32),
    /// A name of the chip.
    Name(String),
}

/// What a name is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Type {
    /// A GPIO line.
    Gpio,
    /// A serial port.
    Uart,
    /// An I2C bus.
    I2cMaster,
    /// An SPI bus.
    SpiMaster,
    /// An I2S device.
    I2sSubordinate,
    /// A PWM chip.
    Pwm,
    /// A converter.
    Adc,
    /// A number, such as a channel.
    #[serde(rename = "int")]
    Number,
}

impl HardwareDefinition {
    /// Reads one file.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        read::json("hardware definition", bytes, DEFINITION_LIMIT)
    }
}

impl Peripheral {
    /// The number in the C header, which stands in parentheses.
    pub fn number(&self) -> Option<u32> {
        let text = self.main_core_header_value.as_deref()?.trim();
        let bare = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(text).trim();
        let digits = bare.strip_prefix("0x");
        digits.map_or_else(|| bare.parse(), |digits| u32::from_str_radix(digits, 16)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_of_a_board_and_one_of_a_chip_are_read() {
        let board = br#"{"Metadata":{"Type":"Azure Sphere Hardware Definition","Version":1},
            "Description":{"Name":"B","MainCoreHeaderFileTopContent":["/* license */"]},"Imports":[{"Path":"chip.json"}],
            "Peripherals":[{"Name":"LED","Type":"Gpio","Mapping":"GPIO8","Comment":"red"}]}"#;
        let chip = br#"{"Metadata":{"Type":"Azure Sphere Hardware Definition","Version":1},"Peripherals":[
            {"Name":"GPIO8","Type":"Gpio","MainCoreHeaderValue":"(8)","AppManifestValue":8},
            {"Name":"PWM_CHANNEL1","Type":"int","MainCoreHeaderValue":"0x1"}]}"#;
        assert_eq!(HardwareDefinition::parse(board).unwrap().peripherals[0].mapping.as_ref().unwrap().as_str(), "GPIO8");
        let chip = HardwareDefinition::parse(chip).unwrap();
        assert_eq!((chip.peripherals[0].number(), chip.peripherals[1].number()), (Some(8), Some(1)));
    }

    #[test]
    fn another_file_and_a_misspelt_field_are_refused() {
        let error = |text: &str| HardwareDefinition::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(
            error(r#"{"Metadata":{"Type":"App","Version":1},"Peripherals":[]}"#).contains("Azure Sphere Hardware Definition")
        );
        let misspelt = r#"{"Metadata":{"Type":"Azure Sphere Hardware Definition","Version":1},"Peripheral":[]}"#;
        assert!(error(misspelt).contains("did you mean `Peripherals`?"));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..512)) {
            let _ = HardwareDefinition::parse(&bytes);
        }
    }
}
