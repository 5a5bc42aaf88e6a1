//! What the kernel says of the processors.

use super::{line, names};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What the kernel says of the processors that are switched on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Processor {
    /// Cores times threads.
    pub(super) logical: u32,
    /// 0 if it does not tell.
    pub(super) cores: u32,
    /// 0 if it does not tell.
    pub(super) sockets: u32,
    /// As the processor calls itself; empty if it does not.
    pub(super) model: String,
}

/// `root` is "/" but in tests.
pub(super) fn read(root: &Path) -> Processor {
    let (cores, sockets) = topology(root);
    let logical = count(&line(root.join("sys/devices/system/cpu/online")));
    Processor { logical, cores, sockets, model: model(root) }
}

/// Cores and packages. A core is known by its number within its package; kernels without a topology have no such files,
/// and some firmware tells -1 as the package of all.
fn topology(root: &Path) -> (u32, u32) {
    let cpus = root.join("sys/devices/system/cpu");
    let topology = |cpu: String| {
        let number = |file: &str| line(cpus.join(&cpu).join("topology").join(file)).parse::<i64>().ok();
        Some((number("physical_package_id")?, number("die_id").unwrap_or(0), number("core_id")?))
    };
    let is_cpu = |name: &String| {
        name.strip_prefix("cpu").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let cores: BTreeSet<_> = names(&cpus).into_iter().filter(is_cpu).filter_map(topology).collect();
    let sockets: BTreeSet<_> = cores.iter().map(|(package, _, _)| package).collect();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    (number(cores.len()), number(sockets.len()))
}

/// "model name" on x86, "cpu" on POWER. Arm kernels print numbers only, which mean nothing to people.
fn model(root: &Path) -> String {
    let text = fs::read_to_string(root.join("proc/cpuinfo")).unwrap_or_default();
    let value = |name: &str| {
        let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
        pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
    };
    value("model name").or_else(|| value("cpu")).unwrap_or_default()
}

/// How many there are in a list like "0-3,8,10-11".
fn count(list: &str) -> u32 {
    let count = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        last.checked_sub(first)?.checked_add(1)
    };
    list.split(',').filter_map(count).fold(0, u32::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors() {
        for (list, expected) in
            [("0", 1), ("0-3", 4), ("0-3,8,10-11", 7), ("", 0), ("3-1", 0), ("0-4294967295", 0)]
        {
            assert_eq!(count(list), expected, "{list}");
        }
    }

    /// Two packages of two cores with two threads each; the cores of each package are numbered from 0.
    #[test]
    fn threads_of_a_core_are_one_core() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: String, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for cpu in 0..8 {
            let topology = format!("sys/devices/system/cpu/cpu{cpu}/topology");
            write(format!("{topology}/physical_package_id"), &format!("{}\n", cpu / 2 % 2));
            write(format!("{topology}/core_id"), &format!("{}\n", cpu % 2));
        }
        write("sys/devices/system/cpu/cpufreq/policy".into(), "");
        write("sys/devices/system/cpu/online".into(), "0-7\n");
        write("proc/cpuinfo".into(), "processor\t: 0\nmodel name\t: Maker EPYC 7543\n\nprocessor\t: 1\n");
        let expected = Processor { logical: 8, cores: 4, sockets: 2, model: "Maker EPYC 7543".into() };
        assert_eq!(read(root.path()), expected);
    }

    #[test]
    fn processors_that_say_little() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("proc")).unwrap();
        for (text, expected) in [
            ("processor\t: 0\ncpu\t\t: POWER9, altivec supported\n", "POWER9, altivec supported"),
            ("processor\t: 0\nCPU implementer\t: 0x41\n", ""),
        ] {
            fs::write(root.path().join("proc/cpuinfo"), text).unwrap();
            assert_eq!(read(root.path()), Processor { model: expected.into(), ..Processor::default() });
        }
    }
}
