//! Programs of the distribution in a root of ours, with the libraries they are linked with.

use anyhow::{Context, Result, bail, ensure};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

/// Copies a program to `/bin/NAME` of a root, and what it is linked with to where its loader looks.
pub fn pack_program(program: &Path, root: &Path, name: &str) -> Result<()> {
    let to = root.join("bin").join(name);
    copy(program, &to)?;
    fs::set_permissions(&to, fs::Permissions::from_mode(0o755))?;
    pack_libraries(program, root)
}

/// Copies what a program is linked with. A program that is linked with nothing needs nothing.
pub fn pack_libraries(program: &Path, root: &Path) -> Result<()> {
    for library in of(program)? {
        let to = root.join(library.strip_prefix("/").unwrap_or(&library));
        if !to.exists() {
            copy(&library, &to)?;
        }
    }
    Ok(())
}

/// The libraries and the loader of a program, as the loader itself finds them.
fn of(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().context("cannot run ldd")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let words = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
        ensure!(words.contains("not a dynamic executable"), "ldd {}: {words}", program.display());
        return Ok(Vec::new());
    }
    text.lines().filter_map(|line| library_in(line).transpose()).collect()
}

/// `NAME => PATH (ADDRESS)`, or `PATH (ADDRESS)` for the loader; the kernel's own library has no path.
fn library_in(line: &str) -> Result<Option<PathBuf>> {
    let found = line.split_once(" => ").map_or(line, |(_, found)| found).trim();
    match found.split(' ').next() {
        Some(path) if path.starts_with('/') => Ok(Some(PathBuf::from(path))),
        Some("not") => bail!("a library is not installed: {line}"),
        _ => Ok(None),
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_ldd_names_a_file_or_nothing_and_a_missing_library_is_an_error() {
        let path = |line| library_in(line).unwrap().map(|path| path.display().to_string());
        assert_eq!(
            path("\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x1)").as_deref(),
            Some("/lib/x86_64-linux-gnu/libc.so.6")
        );
        assert_eq!(path("\t/lib64/ld-linux-x86-64.so.2 (0x1)").as_deref(), Some("/lib64/ld-linux-x86-64.so.2"));
        assert_eq!(path("\tlinux-vdso.so.1 (0x1)"), None);
        assert_eq!(path("\tstatically linked"), None);
        assert!(library_in("\tlibx.so => not found").is_err());
    }
}
