//! A program's file, and what it tells of an address: function, file and line, what was inlined, and how to find the caller.
//!
//! Such files are the developer's own, unstripped or not; they are still read as if they were not. What a file lacks is
//! absent, not an error: a stripped library has no lines and can be walked through all the same.

use super::{
    build_id::BuildId,
    cfi::{CallFrames, Slice},
};
use addr2line::Context;
use gimli::{BaseAddresses, DwarfSections, EndianSlice, LittleEndian, Section, SectionId};
use object::{
    CompressionFormat, LittleEndian as LE, Object, ObjectSection, ObjectSegment, ObjectSymbol, SymbolKind, read::elf::ElfFile64,
};
use serde::Serialize;
use std::{
    borrow::Cow,
    io::Read,
    ops::Range,
    path::{Path, PathBuf},
};

/// Functions that are inlined into one another at one address.
const INLINED_LIMIT: usize = 64;
/// Longest name of a function that is shown, in characters: generic ones have no end.
const NAME_LIMIT: usize = 400;
/// Bytes that one section may be decompressed to.
const SECTION_LIMIT: u64 = 1 << 30;
/// Functions before an address that are asked whether they hold it.
const NESTED_LIMIT: usize = 16;
/// What files are mapped by.
const PAGE: u64 = 4096;

/// Why a file cannot be taken for symbols.
#[derive(Debug, thiserror::Error)]
pub enum SymbolsError {
    /// Not an ELF file.
    #[error("{} is no ELF file of 64 bits", .0.display())]
    NoElf(PathBuf),
    /// A compressed section that cannot be unpacked.
    #[error("{}: the section {section} cannot be decompressed: {why}", path.display())]
    Compressed {
        /// The file.
        path: PathBuf,
        /// Which part.
        section: String,
        /// Why not.
        why: String,
    },
}

/// A file in memory, taken apart.
pub struct Elf<'a> {
    file: ElfFile64<'a, LE>,
    sections: DwarfSections<Cow<'a, [u8]>>,
}

/// What it tells.
pub struct Symbols<'a> {
    /// Its lowest address, which a module's base stands for.
    pub base: u64,
    /// How to find callers.
    pub frames: CallFrames<'a>,
    code: Vec<(u64, &'a [u8])>,
    functions: Vec<(Range<u64>, &'a str)>,
    lines: Option<Context<Slice<'a>>>,
}

/// A place in the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The function.
    pub function: Option<String>,
    /// The file, as the compiler was called with it.
    pub file: Option<String>,
    /// The line.
    pub line: Option<u32>,
    /// The column.
    pub column: Option<u32>,
    /// Whether it is part of the function that follows.
    pub inlined: bool,
}

impl<'a> Elf<'a> {
    /// Takes a file apart; `path` is for the words of errors.
    pub fn parse(path: &Path, bytes: &'a [u8]) -> Result<Self, SymbolsError> {
        let file = ElfFile64::parse(bytes).map_err(|_| SymbolsError::NoElf(path.to_owned()))?;
        let sections = DwarfSections::load(|id| section(path, &file, id))?;
        Ok(Self { file, sections })
    }

    /// Its build id.
    pub fn build_id(&self) -> Option<BuildId> {
        BuildId::new(self.file.build_id().ok()??)
    }

    fn section(&self, name: &str) -> Option<(u64, &'a [u8])> {
        let section = self.file.section_by_name(name)?;
        Some((section.address(), section.data().ok()?))
    }
}

/// A section's bytes, unpacked; none where there is no such section.
fn section<'a>(path: &Path, file: &ElfFile64<'a, LE>, id: SectionId) -> Result<Cow<'a, [u8]>, SymbolsError> {
    let Some(section) = file.section_by_name(id.name()) else { return Ok(Cow::Borrowed(&[])) };
    let failed = |why: String| SymbolsError::Compressed { path: path.to_owned(), section: id.name().to_owned(), why };
    let packed = section.compressed_data().map_err(|e| failed(e.to_string()))?;
    if packed.uncompressed_size > SECTION_LIMIT && packed.format != CompressionFormat::None {
        return Err(failed(format!("{} bytes would come out of it", packed.uncompressed_size)));
    }
    let mut bytes = Vec::new();
    let unpacked = match packed.format {
        CompressionFormat::None => return Ok(Cow::Borrowed(packed.data)),
        CompressionFormat::Zlib => flate2::read::ZlibDecoder::new(packed.data).take(SECTION_LIMIT).read_to_end(&mut bytes),
        CompressionFormat::Zstandard => match ruzstd::decoding::StreamingDecoder::new(packed.data) {
            Ok(decoder) => decoder.take(SECTION_LIMIT).read_to_end(&mut bytes),
            Err(e) => return Err(failed(e.to_string())),
        },
        _ => return Err(failed("an unknown format".into())),
    };
    unpacked.map_err(|e| failed(e.to_string()))?;
    Ok(Cow::Owned(bytes))
}

impl<'a> Symbols<'a> {
    /// What a file tells.
    pub fn of(elf: &'a Elf<'_>) -> Self {
        let loaded = elf.file.segments().filter(|segment| segment.size() > 0);
        let base = loaded.map(|segment| segment.address()).min().unwrap_or(0) / PAGE * PAGE;
        let sections = [".eh_frame", ".text", ".got"].map(|name| elf.section(name));
        let [frames, text, got] = sections;
        let mut bases = BaseAddresses::default();
        if let Some((address, _)) = frames {
            bases = bases.set_eh_frame(address);
        }
        if let Some((address, _)) = text {
            bases = bases.set_text(address);
        }
        if let Some((address, _)) = got {
            bases = bases.set_got(address);
        }
        let dwarf = elf.sections.borrow(|section| EndianSlice::new(section, LittleEndian));
        let has_lines = !dwarf.debug_line.reader().is_empty();
        Self {
            base,
            frames: CallFrames::new(frames.map_or(&[], |(_, bytes)| bytes), bases),
            code: code(elf),
            functions: functions(elf),
            lines: if has_lines { Context::from_dwarf(dwarf).ok() } else { None },
        }
    }

    /// Whether it has lines.
    pub fn has_lines(&self) -> bool {
        self.lines.is_some()
    }

    /// Whether it has names of functions.
    pub fn has_functions(&self) -> bool {
        !self.functions.is_empty()
    }

    /// The instructions before an address, at most so many bytes of them; none where it is no address of instructions.
    pub fn code_before(&self, address: u64, length: usize) -> Option<&'a [u8]> {
        let (start, bytes) = self.code.iter().rev().find(|(start, _)| *start <= address)?;
        let end = usize::try_from(address - start).ok()?;
        bytes.get(end.saturating_sub(length)..end)
    }

    /// Whether the file says where its instructions are.
    pub fn has_code(&self) -> bool {
        !self.code.is_empty()
    }

    /// The function that an address is in, by the table of symbols.
    pub fn function(&self, address: u64) -> Option<String> {
        let behind = self.functions.partition_point(|(range, _)| range.start <= address);
        let before = self.functions.get(..behind)?.iter().rev();
        // Functions lie in one another where assembly gave its own parts names; those without a size reach to the next.
        let holds = before.clone().take(NESTED_LIMIT).find(|(range, _)| range.contains(&address));
        let unsized_one = || before.clone().next().filter(|(range, _)| range.is_empty());
        holds.or_else(unsized_one).map(|(_, name)| demangled(name))
    }

    /// Where in the source an address is: inlined functions first, the one that holds them last.
    pub fn places(&self, address: u64) -> Vec<Place> {
        let mut places = Vec::new();
        let found = self.lines.as_ref().and_then(|lines| lines.find_frames(address).skip_all_loads().ok());
        if let Some(mut frames) = found {
            while let Ok(Some(frame)) = frames.next() {
                let name = frame.function.as_ref().and_then(|name| name.raw_name().ok());
                let location = frame.location;
                places.push(Place {
                    function: name.map(|name| demangled(&name)),
                    file: location.as_ref().and_then(|at| Some(at.file?.trim_start_matches("./").to_owned())),
                    line: location.as_ref().and_then(|at| at.line).filter(|line| *line > 0),
                    column: location.as_ref().and_then(|at| at.column).filter(|column| *column > 0),
                    inlined: true,
                });
                if places.len() >= INLINED_LIMIT {
                    break;
                }
            }
        }
        if places.is_empty() {
            places.extend(self.function(address).map(|name| Place {
                function: Some(name),
                file: None,
                line: None,
                column: None,
                inlined: true,
            }));
        }
        if let Some(holder) = places.last_mut() {
            holder.inlined = false;
            // Line tables have a function's own name; the table of symbols has all of it.
            holder.function = self.function(address).or(holder.function.take());
        }
        places
    }
}

/// The parts of a file that are executed, by address.
fn code<'a>(elf: &'a Elf<'_>) -> Vec<(u64, &'a [u8])> {
    let executable = |segment: &object::read::elf::ElfSegment64<'a, '_, LE>| matches!(segment.flags(), object::SegmentFlags::Elf { p_flags } if p_flags & object::elf::PF_X != 0);
    let mut code: Vec<_> = elf
        .file
        .segments()
        .filter(executable)
        .filter_map(|segment| Some((segment.address(), segment.data().ok()?)))
        .filter(|(_, bytes)| !bytes.is_empty())
        .collect();
    code.sort_by_key(|(address, _)| *address);
    code
}

fn functions<'a>(elf: &'a Elf<'_>) -> Vec<(Range<u64>, &'a str)> {
    let mut functions = Vec::new();
    for symbol in elf.file.symbols().chain(elf.file.dynamic_symbols()) {
        if symbol.kind() == SymbolKind::Text
            && symbol.is_definition()
            && let (Ok(name), Some(end)) = (symbol.name(), symbol.address().checked_add(symbol.size()))
        {
            functions.push((symbol.address()..end, name));
        }
    }
    // Of several names at one address the longest function counts, then the first in the alphabet.
    functions.sort_by(|(a, first), (b, second)| (a.start, a.end, second).cmp(&(b.start, b.end, first)));
    functions
}

/// A name as it stands in the source. Rust's lose their hash.
fn demangled(name: &str) -> String {
    let shown = match rustc_demangle::try_demangle(name) {
        Ok(demangled) => format!("{demangled:#}"),
        Err(_) => name.to_owned(),
    };
    shown.chars().take(NAME_LIMIT).collect()
}
