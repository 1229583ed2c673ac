//! Memory that is shared with other guests (QEMU's docs/specs/ivshmem-spec.rst).

use qtest::{Bench, Failure, Test, Width};

const BASE: Test = Test {
    models: &["ivshmem-plain"],
    arguments: &[
        "-object",
        "memory-backend-ram,id=m,size=1M,share=on",
        "-device",
        "ivshmem-plain,addr=4,memdev=m",
    ],
    ..Test::of("ivshmem", &["pci"])
};

pub(crate) const TESTS: &[Test] = &[Test {
    name: "is-memory",
    description: "The second region is the shared memory",
    body: |bench| shared_memory(bench, 0x1234_5678),
    ..BASE
}];

fn shared_memory(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = bench.region(0x1af4, 0x1110, 2)?;
    bench.write(bar, Width::L, 0x8_0000, 0x1234_5678)?;
    let found = bench.read(bar, Width::L, 0x8_0000)?;
    bench.check("word of the shared memory", found, expected)?;
    let other = bench.read(bar, Width::L, 0x8_0004)?;
    bench.check("word behind it", other, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "is-memory", "word of", |bench| {
            shared_memory(bench, 0)
        });
    }
}
