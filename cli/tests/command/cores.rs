//! Core files as the kernel writes them, of what a program tells of itself.

use std::path::Path;

/// What `data/bell.c` left in a folder, as a core file of x86-64.
pub fn of_bell(folder: &Path) -> Vec<u8> {
    let read = |name: &str| fs_err::read(folder.join(name)).unwrap();
    let gregs: Vec<u64> = read("registers").chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect();
    // gregset_t (sys/ucontext.h): r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip.
    let [r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip] = gregs.try_into().unwrap();
    let registers = [
        r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, 0, rip, 0x33, 0x246, rsp, 0x2b, 0, 0, 0, 0, 0, 0,
    ];
    let (stack, maps) = (read("stack"), String::from_utf8(read("maps")).unwrap());
    let mappings: Vec<Mapping> = maps.lines().map(Mapping::parse).collect();
    let files: Vec<&Mapping> = mappings.iter().filter(|mapping| mapping.path.starts_with('/')).collect();

    let mut notes = Vec::new();
    note(&mut notes, 1, &status(&registers));
    note(&mut notes, 0x5349_4749, &read("signal"));
    let mut mapped = Vec::new();
    words(&mut mapped, &[files.len() as u64, 1]);
    files.iter().for_each(|file| words(&mut mapped, &[file.start, file.end, file.offset]));
    files.iter().for_each(|file| mapped.extend([file.path.as_bytes(), b"\0"].concat()));
    note(&mut notes, 0x4649_4c45, &mapped);

    let contents = mappings.iter().map(|mapping| {
        if (mapping.start..mapping.end).contains(&rsp) {
            let below = usize::try_from(rsp - 128 - mapping.start).unwrap();
            [vec![0; below], stack.clone()].concat()
        } else if mapping.offset == 0 && mapping.path.starts_with('/') {
            // The kernel dumps the first page of an ELF file.
            fs_err::read(&mapping.path).unwrap().into_iter().take(4096).collect()
        } else {
            Vec::new()
        }
    });
    let contents: Vec<Vec<u8>> = contents.collect();
    file(&mappings, &notes, &contents)
}

struct Mapping {
    start: u64,
    end: u64,
    flags: u64,
    offset: u64,
    path: String,
}

impl Mapping {
    fn parse(line: &str) -> Self {
        let mut parts = line.split_whitespace();
        let (start, end) = parts.next().unwrap().split_once('-').unwrap();
        let letters = parts.next().unwrap();
        let hex = |text: &str| u64::from_str_radix(text, 16).unwrap();
        let offset = hex(parts.next().unwrap());
        let flags =
            [("r", 4), ("w", 2), ("x", 1)].iter().filter(|(letter, _)| letters.contains(letter)).map(|(_, flag)| flag).sum();
        Self { start: hex(start), end: hex(end), flags, offset, path: parts.nth(2).unwrap_or_default().to_owned() }
    }
}

fn file(mappings: &[Mapping], notes: &[u8], contents: &[Vec<u8>]) -> Vec<u8> {
    let count = mappings.len() + 1;
    let mut core = [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 9], &[4, 0, 62, 0, 1, 0, 0, 0]].concat();
    words(&mut core, &[0, 64, 0]);
    core.extend([0, 0, 0, 0, 64, 0, 56, 0, u8::try_from(count).unwrap(), 0, 0, 0, 0, 0, 0, 0]);
    let mut at = (64 + 56 * count) as u64;
    words(&mut core, &[4, at, 0, 0, notes.len() as u64, 0, 4]);
    at += notes.len() as u64;
    for (mapping, bytes) in mappings.iter().zip(contents) {
        words(&mut core, &[1 | mapping.flags << 32, at, mapping.start, 0, bytes.len() as u64, mapping.end - mapping.start, 1]);
        at += bytes.len() as u64;
    }
    core.extend(notes);
    contents.iter().for_each(|bytes| core.extend(bytes));
    core
}

/// elf_prstatus (include/linux/elfcore.h).
fn status(registers: &[u64; 27]) -> Vec<u8> {
    let mut status = vec![0; 112];
    (status[0], status[12], status[32]) = (11, 11, 77);
    words(&mut status, registers);
    words(&mut status, &[0]);
    status
}

fn note(notes: &mut Vec<u8>, kind: u32, data: &[u8]) {
    [5, u32::try_from(data.len()).unwrap(), kind].iter().for_each(|number| notes.extend(number.to_le_bytes()));
    notes.extend(b"CORE\0\0\0\0");
    notes.extend(data);
    notes.resize(notes.len().next_multiple_of(4), 0);
}

fn words(bytes: &mut Vec<u8>, words: &[u64]) {
    words.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
}
