//! Patterns by which modules say which devices they drive, as fnmatch(3) has them.

/// True if the name of a device is among those that the pattern stands for.
///
/// Modules come with the kernel, so the pattern is trusted not to be built to make this slow: each "*" is tried again
/// only from the last one on.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    // The last "*" and how much of the name it has taken.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, n));
            p += 1;
        } else if let Some(length) = one(&pattern[p.min(pattern.len())..], name[n]) {
            p += length;
            n += 1;
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            (p, n) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

/// How much of the pattern stands for this one character, if it does.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern.first()? {
        b'?' => Some(1),
        b'[' => {
            let end = pattern.iter().position(|b| *b == b']')?;
            in_set(&pattern[1..end], byte).then_some(end + 1)
        }
        b'\\' => (pattern.get(1) == Some(&byte)).then_some(2),
        literal => (*literal == byte).then_some(1),
    }
}

/// Of "0-9A-Fx".
fn in_set(mut set: &[u8], byte: u8) -> bool {
    while let [first, rest @ ..] = set {
        if let [b'-', last, rest @ ..] = rest {
            if (*first..=*last).contains(&byte) {
                return true;
            }
            set = rest;
        } else if *first == byte {
            return true;
        } else {
            set = rest;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_of_real_modules() {
        let nic = "pci:v00008086d00001572sv00008086sd00000001bc02sc00i00";
        for (pattern, name, expected) in [
            ("pci:v00008086d00001572sv*sd*bc*sc*i*", nic, true),
            ("pci:v00008086d00001573sv*sd*bc*sc*i*", nic, false),
            ("pci:v*d*sv*sd*bc01sc08i02*", "pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02", true),
            ("virtio:d00000001v*", "virtio:d00000001v00001AF4", true),
            ("virtio:d00000001v*", "virtio:d00000002v00001AF4", false),
            ("vio:TnetworkSIBM,l-lan", "vio:TnetworkSIBM,l-lan", true),
            ("usb:v0BDAp8153d*dc*dsc*dp*ic[0-9A]*", "usb:v0BDAp8153d3000dc00dsc00dp00icA1", true),
            ("usb:v0BDAp815[23]d*", "usb:v0BDAp8154d3000", false),
            ("acpi*:IPI0001:*", "acpi:IPI0001:", true),
            ("platform:dmi-ipmi-si", "platform:dmi-ipmi-si", true),
            ("of:N*T*Cibm,opal-ipmiC*", "of:NipmiT(null)Cibm,opal-ipmi", false),
            ("of:N*T*Cibm,opal-ipmi", "of:NipmiT(null)Cibm,opal-ipmi", true),
            ("scsi:t-0x00*", "scsi:t-0x00", true),
            ("", "", true),
            ("a?", "a", false),
            ("[", "[", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_matched_by_itself_and_by_stars(name in "[a-z0-9:,]{0,20}", at in 0usize..20) {
            prop_assert!(matches(&name, &name));
            let at = at.min(name.len());
            let starred = format!("{}*{}", &name[..at], &name[at..]);
            prop_assert!(matches(&starred, &name));
        }

        #[test]
        fn nothing_makes_it_panic(pattern in r"[*?\[\]\\a-c-]{0,16}", name in "[a-c]{0,16}") {
            matches(&pattern, &name);
        }
    }
}
