//! Recorded serial lines.

/// `bytes` as text: without carriage returns and the control sequences with which firmware paints its screens.
pub(crate) fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let (mut plain, mut chars) = (String::with_capacity(text.len()), text.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            // A control sequence of ECMA-48: parameters, then one letter.
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                while chars.next_if(|c| !c.is_ascii_alphabetic() && !c.is_control()).is_some() {}
                chars.next_if(char::is_ascii_alphabetic);
            }
            // Any other escape has one letter.
            '\u{1b}' => {
                chars.next_if(|c| !c.is_control());
            }
            '\n' | '\t' => plain.push(c),
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain
}

/// The last line that says something.
pub(crate) fn last_line(text: &str) -> &str {
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

/// The last `lines` lines that say something.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_sequences_are_taken_out() {
        for (bytes, expected) in [
            (&b"\x1b[2J\x1b[01;01HBdsDxe: loading\r\n"[..], "BdsDxe: loading\n"),
            (b"\x1bcreset", "reset"),
            (b"\x1b[0;37;40mSLOF\x1b", "SLOF"),
            (b"a\x1b[", "a"),
            (b"\xffb", "\u{fffd}b"),
        ] {
            assert_eq!(plain(bytes), expected, "{bytes:?}");
        }
        assert_eq!(last_line("a\nb \n  \n"), "b");
        assert_eq!(tail("a\n\nb\nc\n", 2), "b\nc");
    }
}
