//! A command line as GRUB writes it: quotes, and variables.

use super::Variables;

/// No variable makes a line longer than this, which is more than any kernel takes.
pub(super) const LONGEST: usize = 16 << 10;

/// Splits at white space outside quotes. Variables are replaced, those that are not known by nothing; one outside
/// quotes may become several words. A word with white space in it comes with double quotes around it, as the kernel
/// wants it.
pub(super) fn split(line: &str, variables: &Variables) -> Vec<String> {
    let mut words = Words::default();
    let mut rest = line.chars().peekable();
    let mut quote = None;
    while let Some(c) = rest.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('\''), c) => words.push(c),
            (None, '\'' | '"') => quote = Some(c),
            (_, '\\') => words.extend(rest.next()),
            (_, '$') => {
                let braces = rest.next_if_eq(&'{').is_some();
                let mut name = String::new();
                while let Some(c) = rest.next_if(|&c| c.is_alphanumeric() || c == '_') {
                    name.push(c);
                }
                if braces {
                    rest.next_if_eq(&'}');
                }
                let value = variables.get(&name).map_or("", String::as_str);
                value.chars().for_each(|c| words.put(c, quote.is_some()));
            }
            (quote, c) => words.put(c, quote.is_some()),
        }
        if words.length > LONGEST {
            break;
        }
    }
    words.finish()
}

#[derive(Default)]
struct Words {
    done: Vec<String>,
    word: String,
    length: usize,
}

impl Words {
    fn push(&mut self, c: char) {
        self.length += 1;
        self.word.push(c);
    }

    fn extend(&mut self, c: Option<char>) {
        c.into_iter().for_each(|c| self.push(c));
    }

    fn put(&mut self, c: char, quoted: bool) {
        if c.is_whitespace() && !quoted { self.end() } else { self.push(c) }
    }

    fn end(&mut self) {
        let word = std::mem::take(&mut self.word);
        if word.contains(char::is_whitespace) {
            self.done.push(format!("\"{word}\""));
        } else if !word.is_empty() {
            self.done.push(word);
        }
    }

    fn finish(mut self) -> Vec<String> {
        self.end();
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let variables: Variables = [("a", "one  two"), ("b", ""), ("long", &*"x".repeat(LONGEST))]
            .map(|(n, v)| (n.into(), v.into()))
            .into();
        for (line, expected) in [
            ("", &[][..]),
            ("  a\tb ", &["a", "b"]),
            ("'a b' \"c\" d\"e\"f ''", &["\"a b\"", "c", "def"]),
            ("x=$a y", &["x=one", "two", "y"]),
            ("x=\"$a\"", &["\"x=one  two\""]),
            ("x='$a'", &["x=$a"]),
            ("${a}3 $b$nothing ${nothing", &["one", "two3"]),
            ("a\\ b \\$a c\\", &["\"a b\"", "$a", "c"]),
            ("'open", &["open"]),
        ] {
            assert_eq!(split(line, &variables), expected, "{line}");
        }
        let long = split(&"$long ".repeat(1000), &variables);
        assert!(long.iter().map(String::len).sum::<usize>() <= 2 * LONGEST + 1);
    }
}
