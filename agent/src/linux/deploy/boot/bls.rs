//! Entries of the Boot Loader Specification (UAPI.1), type 1: one file for each kernel.

use super::words::{LONGEST, split};
use super::{Variables, Written, version};
use std::cmp::Ordering;

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BlsEntry {
    /// The file's name without ".conf".
    name: String,
    sort_key: Option<String>,
    version: String,
    pub(super) written: Written,
}

/// `None` for an entry that starts no Linux kernel.
pub(super) fn parse(name: &str, text: &str, variables: &Variables) -> Option<BlsEntry> {
    let mut entry = BlsEntry {
        name: name.to_owned(),
        sort_key: None,
        version: String::new(),
        written: Written::default(),
    };
    for line in text.lines() {
        let line = line.trim();
        let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match key {
            "sort-key" => entry.sort_key = Some(value.trim().to_owned()),
            "version" => value.trim().clone_into(&mut entry.version),
            "linux" => entry.written.kernel = split(value, variables).into_iter().next()?,
            "initrd" => extend(&mut entry.written.initrds, split(value, variables)),
            "options" => extend(&mut entry.written.arguments, split(value, variables)),
            _ => {}
        }
    }
    (!entry.written.kernel.is_empty()).then_some(entry)
}

/// No kernel takes as much as is left out here.
fn extend(words: &mut Vec<String>, more: Vec<String>) {
    if words.iter().map(String::len).sum::<usize>() < LONGEST {
        words.extend(more);
    }
}

/// The first one is to be booted: those with a key to sort by come first, then the newest.
pub(super) fn order(a: &BlsEntry, b: &BlsEntry) -> Ordering {
    let newest = || version::compare(&b.version, &a.version);
    let by_name = || version::compare(&b.name, &a.name);
    match (&a.sort_key, &b.sort_key) {
        (Some(x), Some(y)) => x.cmp(y).then_with(newest).then_with(by_name),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        // Fedora's names begin with the machine's identity, which is the same for all of them.
        (None, None) => by_name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_fedora() {
        let text = "title Fedora Linux (6.8.5-301.fc40.x86_64) 40 (Cloud Edition)\n\
                    version 6.8.5-301.fc40.x86_64\n\
                    # a comment\n\
                    linux /vmlinuz-6.8.5-301.fc40.x86_64\n\
                    initrd /initramfs-6.8.5-301.fc40.x86_64.img $tuned_initrd\n\
                    options root=UUID=f5 rootflags=subvol=root   no_timer_check console=tty1\n\
                    options quiet\n\
                    grub_users $grub_users\n\
                    grub_class fedora\n";
        let entry = parse("x", text, &Variables::new()).unwrap();
        assert_eq!(entry.written.kernel, "/vmlinuz-6.8.5-301.fc40.x86_64");
        assert_eq!(entry.written.initrds, ["/initramfs-6.8.5-301.fc40.x86_64.img"]);
        assert_eq!(
            entry.written.arguments.join(" "),
            "root=UUID=f5 rootflags=subvol=root no_timer_check console=tty1 quiet"
        );
    }

    #[test]
    fn what_starts_no_kernel() {
        for text in ["", "title Windows\nefi /EFI/Microsoft/boot.efi\n", "linux\n", "uki /EFI/Linux/a.efi"] {
            assert_eq!(parse("x", text, &Variables::new()), None, "{text}");
        }
    }

    #[test]
    fn an_entry_does_not_grow_without_bound() {
        let variables = [("a".to_owned(), "x ".repeat(LONGEST / 3))].into();
        let text = format!("linux /k\n{}", "options $a\ninitrd $a\n".repeat(1000));
        let entry = parse("x", &text, &variables).unwrap();
        for words in [entry.written.arguments, entry.written.initrds] {
            assert!(words.iter().map(String::len).sum::<usize>() < 2 * LONGEST);
        }
    }

    #[test]
    fn which_one_is_first() {
        let entry = |name: &str, sort_key: &str, version: &str| BlsEntry {
            name: name.to_owned(),
            sort_key: (!sort_key.is_empty()).then(|| sort_key.to_owned()),
            version: version.to_owned(),
            written: Written::default(),
        };
        let mut entries = [
            entry("id-0-rescue", "", "0-rescue"),
            entry("id-5.14.0-70.el9", "", "5.14.0-70.el9"),
            entry("id-5.14.0-284.el9", "", "5.14.0-284.el9"),
            entry("z", "fedora", "6.9"),
            entry("y", "fedora", "6.10"),
            entry("x", "arch", "1"),
        ];
        entries.sort_by(order);
        let names: Vec<_> = entries.iter().map(|e| e.name.as_str()).collect();
        assert_eq!(names, ["x", "y", "z", "id-5.14.0-284.el9", "id-5.14.0-70.el9", "id-0-rescue"]);
    }
}
