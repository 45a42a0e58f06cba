//! Core files as the kernel would write them, and as it never would.

/// Whose registers it holds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Machine {
    X86_64,
    Aarch64,
}

/// A core file that is being made up. Everything is public: a test forges what it likes.
#[derive(Clone, Debug)]
pub struct CoreFile {
    pub machine: Machine,
    /// ELF's number of the machine, if another.
    pub machine_number: Option<u16>,
    /// Id, stack pointer, instruction pointer.
    pub threads: Vec<(u32, u64, u64)>,
    /// Signal, code, address.
    pub signal: Option<(u32, u32, u64)>,
    pub segments: Vec<Segment>,
    /// Start, end, offset in pages, path.
    pub files: Vec<(u64, u64, u64, String)>,
    /// What NT_FILE says of their number, if something else.
    pub file_count: Option<u64>,
    /// What the header says of the program headers' number, if something else.
    pub header_count: Option<u16>,
    /// What the note segment says of its size, if something else.
    pub notes_size: Option<u64>,
    pub name: String,
    /// How far above the stack pointers the threads' control blocks are, if registers tell of any.
    pub control_blocks: Option<u64>,
}

#[derive(Clone, Debug)]
pub struct Segment {
    pub start: u64,
    /// Bytes of the mapping, and of it in the file.
    pub size: u64,
    pub bytes: Vec<u8>,
    /// R 4, W 2, X 1.
    pub flags: u32,
    /// Where it lies in the file, and how much, if the header says something else.
    pub forged: Option<(u64, u64)>,
}

pub const PROGRAM: u64 = 0x5555_5555_0000;
pub const LIBRARY: u64 = 0x7fff_f000_0000;
pub const STACKS: u64 = 0x7fff_0000_0000;
pub const STACK: u64 = 0x1_0000;
pub const BUILD_ID: [u8; 20] = [0xb1; 20];

impl CoreFile {
    /// A program, a library and so many threads; the first one crashed.
    pub fn new(machine: Machine, threads: usize) -> Self {
        let mut core = Self {
            machine,
            machine_number: None,
            threads: Vec::new(),
            signal: Some((11, 1, 0xdead_0000)),
            segments: vec![
                Segment::new(PROGRAM, elf_page(&BUILD_ID), 4),
                Segment::new(PROGRAM + 0x1000, vec![], 5).sized(0x2000),
                Segment::new(PROGRAM + 0x3000, vec![], 6).sized(0x1000),
                Segment::new(LIBRARY, elf_page(&[0xaa; 8]), 5),
                Segment::new(LIBRARY + 0x1000, vec![], 4).sized(0x1000),
                // A file that is no program, and the heap, of which nothing may leave.
                Segment::new(LIBRARY + 0x10_0000, vec![0x11; 0x1000], 4),
                Segment::new(0x6000_0000, b"secret of the heap".repeat(500), 6),
            ],
            files: vec![
                (PROGRAM, PROGRAM + 0x1000, 0, "/bin/app".into()),
                (PROGRAM + 0x1000, PROGRAM + 0x3000, 1, "/bin/app".into()),
                (PROGRAM + 0x3000, PROGRAM + 0x4000, 3, "/bin/app".into()),
                (LIBRARY, LIBRARY + 0x1000, 0, "/lib/libc.so.6".into()),
                (LIBRARY + 0x1000, LIBRARY + 0x2000, 1, "/lib/libc.so.6".into()),
                (LIBRARY + 0x10_0000, LIBRARY + 0x10_1000, 0, "/share/zone".into()),
            ],
            file_count: None,
            header_count: None,
            notes_size: None,
            name: "app".into(),
            control_blocks: None,
        };
        // As kernel.core_sort_vma has it, what little is dumped of first.
        core.files.sort_by_key(|(start, ..)| std::cmp::Reverse(*start));
        for index in 0..threads as u64 {
            let start = STACKS + index * 2 * STACK;
            core.threads.push((100 + index as u32, start + STACK / 2, PROGRAM + 0x1234));
            core.segments.push(Segment::new(start, vec![index as u8 + 1; STACK as usize], 6));
        }
        core
    }

    pub fn bytes(&self) -> Vec<u8> {
        let notes = self.notes();
        let count = self.segments.len() + 1;
        let mut offset = (64 + 56 * count + notes.len()).next_multiple_of(4096) as u64;
        let mut file = self.header(count);
        let size = self.notes_size.unwrap_or(notes.len() as u64);
        program_header(&mut file, 4, 0, (64 + 56 * count) as u64, 0, size, 0);
        let mut contents = Vec::new();
        for segment in &self.segments {
            let (at, length) = segment.forged.unwrap_or((offset, segment.bytes.len() as u64));
            program_header(&mut file, 1, segment.flags, at, segment.start, length, segment.size);
            contents.push((offset as usize, &segment.bytes));
            offset += (segment.bytes.len() as u64).next_multiple_of(4096);
        }
        file.extend(notes);
        for (offset, bytes) in contents {
            file.resize(offset, 0);
            file.extend(bytes);
        }
        file
    }

    fn header(&self, count: usize) -> Vec<u8> {
        let machine = self.machine_number.unwrap_or(match self.machine {
            Machine::X86_64 => 62,
            Machine::Aarch64 => 183,
        });
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        put16(&mut file, &[4, machine]);
        put32(&mut file, &[1]);
        put64(&mut file, &[0, 64, 0]);
        put32(&mut file, &[0]);
        put16(&mut file, &[64, 56, self.header_count.unwrap_or(count as u16), 0, 0, 0]);
        file
    }

    /// In the kernel's order: the crashed thread, the process, then the others.
    fn notes(&self) -> Vec<u8> {
        let mut notes = Vec::new();
        let mut threads = self.threads.iter();
        if let Some(first) = threads.next() {
            note(&mut notes, 1, &self.status(*first));
            self.thread_pointer(&mut notes, *first);
        }
        let mut process = vec![0; 24];
        put32(&mut process, &[self.threads.first().map_or(0, |first| first.0), 0, 0, 0]);
        process.extend(self.name.as_bytes().iter().take(15));
        process.resize(136, 0);
        note(&mut notes, 3, &process);
        if let Some((number, code, address)) = self.signal {
            let mut info = Vec::new();
            put32(&mut info, &[number, 0, code, 0]);
            put64(&mut info, &[address]);
            info.resize(128, 0);
            note(&mut notes, 0x5349_4749, &info);
        }
        let mut auxv = Vec::new();
        put64(&mut auxv, &[6, 4096, 3, PROGRAM + 64, 0, 0]);
        note(&mut notes, 6, &auxv);
        let mut files = Vec::new();
        put64(&mut files, &[self.file_count.unwrap_or(self.files.len() as u64), 4096]);
        self.files.iter().for_each(|(start, end, page, _)| put64(&mut files, &[*start, *end, *page]));
        self.files.iter().for_each(|(.., path)| files.extend([path.as_bytes(), b"\0"].concat()));
        note(&mut notes, 0x4649_4c45, &files);
        // Floating point, which nothing reads.
        note(&mut notes, 2, &[0xff; 512]);
        for thread in threads {
            note(&mut notes, 1, &self.status(*thread));
            self.thread_pointer(&mut notes, *thread);
        }
        notes
    }

    /// NT_ARM_TLS, where the registers themselves have no such pointer.
    fn thread_pointer(&self, notes: &mut Vec<u8>, (_, stack, _): (u32, u64, u64)) {
        if let (Machine::Aarch64, Some(above)) = (self.machine, self.control_blocks) {
            put32(notes, &[6, 8, 0x401]);
            notes.extend(b"LINUX\0\0\0");
            put64(notes, &[stack + above]);
        }
    }

    fn status(&self, (id, stack, instruction): (u32, u64, u64)) -> Vec<u8> {
        let mut status = Vec::new();
        put32(&mut status, &[11, 0, 0]);
        put16(&mut status, &[11, 0]);
        put64(&mut status, &[0, 0]);
        put32(&mut status, &[id, 0, 0, 0]);
        status.resize(112, 0);
        let registers: Vec<u64> = match self.machine {
            Machine::X86_64 => {
                let mut registers: Vec<u64> = (1000..1027).collect();
                (registers[16], registers[19]) = (instruction, stack);
                registers[21] = self.control_blocks.map_or(registers[21], |above| stack + above);
                registers
            }
            Machine::Aarch64 => {
                let mut registers: Vec<u64> = (1000..1034).collect();
                (registers[31], registers[32]) = (stack, instruction);
                registers
            }
        };
        put64(&mut status, &registers);
        put32(&mut status, &[1, 0]);
        status
    }
}

impl Segment {
    pub fn new(start: u64, bytes: Vec<u8>, flags: u32) -> Self {
        Self { start, size: bytes.len() as u64, bytes, flags, forged: None }
    }

    pub fn sized(self, size: u64) -> Self {
        Self { size, ..self }
    }
}

/// The first page of a program with this build id.
pub fn elf_page(build_id: &[u8]) -> Vec<u8> {
    let mut page = b"\x7fELF\x02\x01\x01".to_vec();
    page.resize(16, 0);
    put16(&mut page, &[3, 62]);
    put32(&mut page, &[1]);
    put64(&mut page, &[0, 64, 0]);
    put32(&mut page, &[0]);
    put16(&mut page, &[64, 56, 2, 0, 0, 0]);
    program_header(&mut page, 1, 5, 0, 0, 0x1000, 0x1000);
    let size = 16 + build_id.len().next_multiple_of(4) as u64;
    program_header(&mut page, 4, 4, 64 + 2 * 56, 64 + 2 * 56, size, size);
    put32(&mut page, &[4, build_id.len() as u32, 3]);
    page.extend(b"GNU\0");
    page.extend(build_id);
    page.resize(0x1000, 0);
    page
}

fn program_header(file: &mut Vec<u8>, kind: u32, flags: u32, offset: u64, address: u64, in_file: u64, size: u64) {
    put32(file, &[kind, flags]);
    put64(file, &[offset, address, 0, in_file, size, 4]);
}

fn note(notes: &mut Vec<u8>, kind: u32, data: &[u8]) {
    put32(notes, &[5, data.len() as u32, kind]);
    notes.extend(b"CORE\0\0\0\0");
    notes.extend(data);
    notes.resize(notes.len().next_multiple_of(4), 0);
}

fn put16(bytes: &mut Vec<u8>, values: &[u16]) {
    values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
}

fn put32(bytes: &mut Vec<u8>, values: &[u32]) {
    values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
}

fn put64(bytes: &mut Vec<u8>, values: &[u64]) {
    values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
}
