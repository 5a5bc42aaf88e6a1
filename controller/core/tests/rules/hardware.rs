//! Words and addresses as people and machines write them.

use hostler_core::hardware::{Arch, Firmware, Mac};
use proptest::prelude::*;

#[test]
fn an_ethernet_address_is_six_pairs_of_digits() {
    for (text, expected) in [
        ("52:54:00:12:34:56", Some("52:54:00:12:34:56")),
        ("52-54-00-AB-CD-EF", Some("52:54:00:ab:cd:ef")),
        ("52:54:00:12:34", None),
        ("52:54:00:12:34:56:78", None),
        ("52:54:00:12:34:5", None),
        ("52:54:00:12:34:+5", None),
        ("52:54:00:12:34:zz", None),
        ("525400123456", None),
        ("", None),
    ] {
        let parsed = text.parse::<Mac>().ok().map(|mac| mac.to_string());
        assert_eq!(parsed.as_deref(), expected, "{text:?}");
    }
}

#[test]
fn words_are_what_they_print() {
    for arch in Arch::ALL {
        assert_eq!(arch.to_string().parse(), Ok(arch));
        assert!(Firmware::ALL.iter().any(|f| f.exists_on(arch)));
    }
    for firmware in Firmware::ALL {
        assert_eq!(firmware.to_string().parse(), Ok(firmware));
    }
    let unknown = "mips".parse::<Arch>().unwrap_err().to_string();
    assert_eq!(unknown, "architecture is one of x86_64, aarch64, ppc64le, not \"mips\"");
}

proptest! {
    #[test]
    fn every_ethernet_address_is_read_as_it_was_written(octets: [u8; 6]) {
        let mac = Mac(octets);
        prop_assert_eq!(mac.to_string().parse::<Mac>(), Ok(mac));
        prop_assert_eq!(serde_json::from_str::<Mac>(&serde_json::to_string(&mac).unwrap()).unwrap(), mac);
    }

    #[test]
    fn no_text_is_too_strange(text: String) {
        let _ = text.parse::<Mac>();
        let _ = text.parse::<Arch>();
        let message = text.parse::<Firmware>().map_err(|e| e.to_string());
        prop_assert!(message.is_ok() || message.is_err_and(|m| m.len() < 500));
    }
}
