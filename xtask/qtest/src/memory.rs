//! RAM of a session that is a file, which QEMU maps: blocks of it are copied without a command.
//!
//! Registers, and RAM that firmware or a chipset may hide, are accessed with commands only.

use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use camino::{Utf8Path, Utf8PathBuf};

/// The RAM of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The address of its first byte.
    pub start: u64,
    /// Its size in bytes, which must be that of `-m`.
    pub size: u64,
    /// The addresses at which the machine has only RAM.
    pub plain: Range<u64>,
}

/// The file with the RAM of a session. It is removed when the session ends.
#[derive(Debug)]
pub struct Memory {
    file: fs_err::File,
    path: Utf8PathBuf,
    layout: Layout,
}

impl Memory {
    /// Creates the file.
    pub(crate) fn create(path: &Utf8Path, layout: &Layout) -> io::Result<Self> {
        let file = fs_err::File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)?;
        let it = Self {
            file,
            path: path.to_owned(),
            layout: layout.clone(),
        };
        it.file.set_len(layout.size)?;
        Ok(it)
    }

    /// QEMU's options for it.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let Layout { size, .. } = self.layout;
        // A comma in a value is written twice.
        let path = self.path.as_str().replace(',', ",,");
        [
            "-object".to_owned(),
            format!("memory-backend-file,id=kiln-ram,mem-path={path},size={size},share=on"),
            "-machine".to_owned(),
            "memory-backend=kiln-ram".to_owned(),
        ]
        .to_vec()
    }

    /// The position of a block in the file. `None` if it is not only RAM.
    fn position(&self, address: u64, length: usize) -> Option<u64> {
        let Layout { start, plain, .. } = &self.layout;
        let end = address.checked_add(u64::try_from(length).ok()?)?;
        (plain.contains(&address) && end <= plain.end).then(|| address - start)
    }

    /// Reads a block. `None` if it is not only RAM.
    pub(crate) fn read(&self, address: u64, length: usize) -> Option<io::Result<Vec<u8>>> {
        let at = self.position(address, length)?;
        let mut bytes = vec![0; length];
        let read = self.file.file().read_exact_at(&mut bytes, at);
        Some(read.map(|()| bytes))
    }

    /// Writes a block. `None` if it is not only RAM.
    pub(crate) fn write(&self, address: u64, bytes: &[u8]) -> Option<io::Result<()>> {
        let at = self.position(address, bytes.len())?;
        Some(self.file.file().write_all_at(bytes, at))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let _ = fs_err::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_ram_is_copied() {
        let scratch = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(scratch.path()).unwrap().join("a,b");
        let layout = Layout {
            start: 0x4000_0000,
            size: 0x3000,
            plain: 0x4000_1000..0x4000_3000,
        };
        let memory = Memory::create(&path, &layout).unwrap();
        assert!(memory.arguments()[1].contains("/a,,b,size=12288,share=on"));
        memory.write(0x4000_1ffe, b"kiln").unwrap().unwrap();
        assert_eq!(memory.read(0x4000_1fff, 4).unwrap().unwrap(), b"iln\0");
        assert_eq!(&fs_err::read(&path).unwrap()[0x1ffe..0x2002], b"kiln");
        let check = |address, length, expect| {
            assert_eq!(memory.position(address, length), expect, "{address:#x}");
        };
        check(0x4000_1000, 0x2000, Some(0x1000));
        check(0x4000_0fff, 1, None);
        check(0x4000_2fff, 2, None);
        check(u64::MAX, 2, None);
        drop(memory);
        assert!(!path.exists());
    }
}
