//! System call filters, judged by a BPF interpreter, by other compilers, by the C library and by the kernel.
#![expect(clippy::disallowed_methods, reason = "reads files of the repository and of this machine")]

mod data;
mod denials;
mod digests;
mod equal;
mod interpreter;
mod judges;
mod kernel;
mod meaning;
mod network;
mod random;
mod tables;
