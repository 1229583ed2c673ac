//! Puts the memory of a machine into a file, for templates ([`super::template`]).

use camino::Utf8PathBuf;

/// A file that holds the memory of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RamFile {
    /// The name of the memory in the machine and in its migration stream.
    pub id: String,
    /// The file.
    pub path: Utf8PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Whether the guest's writes reach the file.
    pub mapping: Mapping,
}

/// How memory in a file is mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapping {
    /// The file contains the guest's writes.
    Shared,
    /// The file does not change.
    Private,
}

impl RamFile {
    /// Changes `-machine NAME,...` to use the file.
    pub(super) fn replace_memory(&self, hardware: &mut Vec<String>) {
        if let Some(machine) = hardware.get_mut(1) {
            machine.push_str(",memory-backend=");
            machine.push_str(&self.id);
        }
        let mode = match self.mapping {
            Mapping::Shared => "share=on",
            Mapping::Private => "share=off,readonly=on,rom=off",
        };
        let path = self.path.as_str().replace(',', ",,");
        hardware.push("-object".to_owned());
        hardware.push(format!(
            "memory-backend-file,id={},size={},mem-path={path},{mode}",
            self.id, self.size
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_replaces_the_memory_of_the_machine() {
        let ram = |mapping| RamFile {
            id: "pc.ram".to_owned(),
            path: "/store/a,b".into(),
            size: 16,
            mapping,
        };
        let check = |mapping, mode: &str| {
            let mut line = ["-machine", "q35,usb=off", "-m", "16"]
                .map(str::to_owned)
                .to_vec();
            ram(mapping).replace_memory(&mut line);
            let object =
                format!("memory-backend-file,id=pc.ram,size=16,mem-path=/store/a,,b,{mode}");
            let machine = "q35,usb=off,memory-backend=pc.ram";
            assert_eq!(line, ["-machine", machine, "-m", "16", "-object", &object]);
        };
        check(Mapping::Shared, "share=on");
        check(Mapping::Private, "share=off,readonly=on,rom=off");
    }
}
