//! Parses traces of disks, which QEMU writes with `-trace`: requests to virtio, NVM Express and IDE
//! disks. Pure.
//!
//! Lines of other events are ignored. The log may have times (`-msg timestamp=on`) or process ids.

/// The bytes of a sector.
pub const SECTOR: u64 = 512;

/// A request to a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Whether it writes.
    pub is_write: bool,
    /// The first sector.
    pub sector: u64,
    /// The number of sectors.
    pub count: u64,
}

/// Why a file is not a trace of a disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// A line has the event, but not its numbers.
    #[error("line {line}: expected the numbers of `{event}`, found `{text}`")]
    Numbers {
        /// Its number in the file.
        line: usize,
        /// The event.
        event: &'static str,
        /// The text of the line.
        text: String,
    },
    /// No line has an event of a disk.
    #[error(
        "expected events such as `virtio_blk_handle_read`, `pci_nvme_write` or `ide_dma_cb`, found none"
    )]
    NoRequests,
}

/// How to read an event.
struct Event {
    name: &'static str,
    numbers: fn(&str) -> Option<Request>,
}

const EVENTS: &[Event] = &[
    Event {
        name: "virtio_blk_handle_read",
        numbers: |text| virtio(text, false),
    },
    Event {
        name: "virtio_blk_handle_write",
        numbers: |text| virtio(text, true),
    },
    Event {
        name: "pci_nvme_read",
        numbers: |text| nvme(text, false),
    },
    Event {
        name: "pci_nvme_write",
        numbers: |text| nvme(text, true),
    },
    Event {
        name: "ide_sector_read",
        numbers: |text| ide_sectors(text, false),
    },
    Event {
        name: "ide_sector_write",
        numbers: |text| ide_sectors(text, true),
    },
    Event {
        name: "ide_dma_cb",
        numbers: ide_dma,
    },
];

/// Parses the requests of a trace in order.
pub fn parse(text: &str) -> Result<Vec<Request>, TraceError> {
    let mut requests = Vec::new();
    for (index, line) in text.lines().enumerate() {
        // `123@1700000000.123456:event …` or `event …`.
        let words = line.split([' ', ':']);
        let event = EVENTS
            .iter()
            .find(|event| words.clone().any(|word| word == event.name));
        let Some(event) = event else { continue };
        let request = (event.numbers)(line).ok_or_else(|| TraceError::Numbers {
            line: index + 1,
            event: event.name,
            text: line.to_owned(),
        })?;
        // The last callback of a transfer has no sectors.
        if request.count > 0 {
            requests.push(request);
        }
    }
    if requests.is_empty() {
        return Err(TraceError::NoRequests);
    }
    Ok(requests)
}

fn virtio(text: &str, is_write: bool) -> Option<Request> {
    Some(Request {
        is_write,
        sector: number(text, "sector ")?,
        count: number(text, "nsectors ")?,
    })
}

/// Blocks have `count` bytes by `nlb`.
fn nvme(text: &str, is_write: bool) -> Option<Request> {
    let (blocks, bytes) = (number(text, "nlb ")?, number(text, "count ")?);
    let block = bytes.checked_div(blocks)?;
    Some(Request {
        is_write,
        sector: number(text, "lba ")?.checked_mul(block)? / SECTOR,
        count: bytes / SECTOR,
    })
}

fn ide_sectors(text: &str, is_write: bool) -> Option<Request> {
    Some(Request {
        is_write,
        sector: number(text, "sector=")?,
        count: number(text, "nsectors=")?,
    })
}

fn ide_dma(text: &str) -> Option<Request> {
    let is_write = text.contains("cmd=DMA WRITE");
    let is_transfer = is_write || text.contains("cmd=DMA READ");
    let count = if is_transfer { number(text, "n=")? } else { 0 };
    Some(Request {
        is_write,
        sector: number(text, "sector_num=")?,
        count,
    })
}

/// The decimal or hexadecimal number after a name.
fn number(text: &str, name: &str) -> Option<u64> {
    // `nsectors ` contains `sector `: the name begins a word.
    let is_start = |at: usize| !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
    let mut places = text.match_indices(name).map(|(at, _)| at);
    let at = places.find(|at| is_start(*at))? + name.len();
    let word = text[at..].split([' ', ';', ',']).next()?;
    match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn events_of_each_disk_are_read() {
        let check = |line: &str, expect: (bool, u64, u64)| {
            let found = parse(&format!("other_event x 1\n{line}\n")).unwrap();
            let (is_write, sector, count) = expect;
            let request = Request {
                is_write,
                sector,
                count,
            };
            assert_eq!(found, [request], "{line}");
        };
        let virtio = "virtio_blk_handle_write vdev 0x55 req 0x56 sector 896 nsectors 2032";
        check(virtio, (true, 896, 2032));
        check(&format!("77@1700000000.5:{virtio}"), (true, 896, 2032));
        check(&virtio.replace("write", "read"), (false, 896, 2032));
        let nvme =
            "pci_nvme_write cid 4 opname 'NVME_NVM_CMD_WRITE' nsid 1 nlb 8 count 4096 lba 0x10";
        check(nvme, (true, 16, 8));
        check(&nvme.replace("count 4096", "count 32768"), (true, 128, 64));
        check(
            "pci_nvme_read cid 4 nsid 1 nlb 1 count 512 lba 0xff",
            (false, 255, 1),
        );
        check("ide_sector_read sector=63 nsectors=1", (false, 63, 1));
        let dma = "ide_dma_cb IDEState 0x5; sector_num=2048 n=8 cmd=DMA WRITE";
        check(dma, (true, 2048, 8));
        check(
            &format!("{dma}\n{}", dma.replace("n=8", "n=0")),
            (true, 2048, 8),
        );
        check(
            &format!("{dma}\n{}", dma.replace("WRITE", "TRIM")),
            (true, 2048, 8),
        );
    }

    #[test]
    fn other_files_are_refused_with_the_reason() {
        let check = |text: &str, expect: &str| {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check("", "found none");
        check(
            "ide_dma_cb IDEState 0x5; sector_num=8 n=0 cmd=DMA READ\n",
            "found none",
        );
        check(
            "x\nvirtio_blk_handle_read sector a nsectors 1\n",
            "line 2: expected the numbers",
        );
        check(
            "pci_nvme_read nlb 0 count 0 lba 0x0\n",
            "numbers of `pci_nvme_read`",
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(?s)(virtio_blk_handle_read |pci_nvme_write )?.{0,80}") {
            if let Ok(requests) = parse(&text) {
                prop_assert!(!requests.is_empty());
            }
        }
    }
}
