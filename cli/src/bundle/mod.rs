//! Making and reading app bundles on the developer's machine.
//!
//! A bundle is made in steps, each a module: a [`tree`] of what the image will hold comes from a folder ([`folder`]) or
//! from one program and the libraries it needs ([`program`], [`elf`]); [`layout`] adds mount points and the manifest and
//! checks that the entry point can run; [`image`] writes the tree as EROFS and takes its fs-verity digest; [`envelope`]
//! states that digest and signs it; [`mod@file`] joins the parts.
//!
//! The same tree gives the same bytes: names are sorted, owners are root, times are zero, modes are 0755 or 0644.
//! What is packed comes from the developer's own disk, yet nothing of it is followed out of the folder, and nothing is
//! packed that the device would have to defuse: no device nodes, no set-id bits, no links out of the root.

pub mod elf;
pub mod envelope;
pub mod file;
pub mod folder;
pub mod image;
pub mod layout;
pub mod program;
pub mod tree;
