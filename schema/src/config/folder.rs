//! Folders and files that belong to whoever runs this, and to nobody else.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes a folder, and those above it, that only their owner can enter. What exists stays as it is.
pub fn private_folder(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file that only its owner can read.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        private_folder(dir)?;
    }
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Makes an empty file that only its owner can read, unless there is one.
pub fn private_file(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

/// Whether a folder can be written, or made; leaves everything as it was.
pub fn can_write(folder: &Path) -> io::Result<()> {
    let there = folder.ancestors().find(|place| place.as_os_str().is_empty() || place.exists());
    let there = there.filter(|place| !place.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let probe = there.join(format!(".tollgate-{}", crate::id::uuid()));
    private_file(&probe)?;
    std::fs::remove_file(&probe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_tried_without_a_trace() {
        let dir = std::env::temp_dir().join(format!("tollgate-folder-{}", crate::id::uuid()));
        can_write(&dir.join("a/b")).expect("it could be made");
        assert!(!dir.exists());
        private_folder(&dir.join("a/b")).expect("made");
        can_write(&dir.join("a")).expect("writable");
        assert_eq!(std::fs::read_dir(dir.join("a")).expect("a folder").count(), 1);
        write_private(&dir.join("file"), "x").expect("written");
        assert!(can_write(&dir.join("file/b")).is_err(), "a file is no folder");
        assert!(can_write(Path::new("/proc/b")).is_err());
        std::fs::remove_dir_all(&dir).expect("removed");
    }
}
