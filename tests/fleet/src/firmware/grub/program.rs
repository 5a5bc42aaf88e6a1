//! A configuration as a list of steps.

use super::super::error::FirmwareError;

/// A step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A command: words with their variables not yet expanded.
    Run { line: usize, words: Vec<Word> },
    /// Go on at this step if the last command failed.
    UnlessOk(usize),
}

/// A word of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    /// Within single quotes nothing is expanded.
    pub(super) quoted: bool,
}

/// Parses a configuration named `name`.
pub(super) fn parse(name: &str, bytes: &[u8]) -> Result<Vec<Step>, FirmwareError> {
    let error = |line: usize, reason: &str| FirmwareError::Script {
        script: name.to_owned(),
        line,
        reason: reason.to_owned(),
    };
    let text = std::str::from_utf8(bytes).map_err(|_| error(1, "it is not text"))?;
    let mut steps = Vec::new();
    // The steps that wait to learn where their `fi` is.
    let mut open: Vec<Option<usize>> = Vec::new();
    for (at, text) in text.lines().enumerate() {
        let line = at + 1;
        let words = words(text).map_err(|reason| error(line, reason))?;
        let keyword = words.first().filter(|word| !word.quoted).map(|word| word.text.as_str());
        match keyword {
            None if words.is_empty() => {}
            Some("if") => {
                steps.push(Step::Run { line, words: words[1..].to_vec() });
                open.push(None);
            }
            Some("then") if words.len() == 1 => match open.last_mut() {
                Some(jump @ None) => {
                    *jump = Some(steps.len());
                    steps.push(Step::UnlessOk(usize::MAX));
                }
                _ => return Err(error(line, "then without if")),
            },
            Some("fi") if words.len() == 1 => match open.pop() {
                Some(Some(jump)) => steps[jump] = Step::UnlessOk(steps.len()),
                _ => return Err(error(line, "fi without then")),
            },
            _ => steps.push(Step::Run { line, words }),
        }
    }
    if open.is_empty() { Ok(steps) } else { Err(error(text.lines().count(), "if without fi")) }
}

fn words(line: &str) -> Result<Vec<Word>, &'static str> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let word = if let Some(quoted) = rest.strip_prefix('\'') {
            let (text, behind) = quoted.split_once('\'').ok_or("a quote has no end")?;
            if !(behind.is_empty() || behind.starts_with(' ')) {
                return Err("a word is quoted in part");
            }
            rest = behind;
            Word { text: text.to_owned(), quoted: true }
        } else {
            let (text, behind) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
            if text.contains(['"', '\'', '\\', ';', '|', '&', '<', '>', '{', '}', '`', '#', '*']) {
                return Err("it has a character that Hostler's configurations do not have");
            }
            rest = behind;
            Word { text: text.to_owned(), quoted: false }
        };
        words.push(word);
        rest = rest.trim_start();
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: usize, words: &[&str]) -> Step {
        let words = words.iter().map(|&text| Word { text: text.to_owned(), quoted: false }).collect();
        Step::Run { line, words }
    }

    #[test]
    fn an_if_is_a_jump_over_what_it_guards() {
        let steps =
            parse("grub.cfg", b"if linux a\nthen\nif initrd b\nthen\nboot\nfi\nfi\nreboot\n").unwrap();
        assert_eq!(
            steps,
            [
                run(1, &["linux", "a"]),
                Step::UnlessOk(5),
                run(3, &["initrd", "b"]),
                Step::UnlessOk(5),
                run(5, &["boot"]),
                run(8, &["reboot"]),
            ]
        );
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for text in ["if a\n", "then\n", "fi\n", "a; b\n", "echo 'a\n", "a || b\n", "x{y}\n", "echo \"a\"\n"]
        {
            assert!(parse("grub.cfg", text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
