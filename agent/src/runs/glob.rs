//! Patterns of files to collect: "*.xml", "reports/*.xml", "build/**/TEST-?.xml".

/// One pattern: components with "*" (any characters), "?" (one character) and, as a whole component, "**" (any number
/// of directories). A name that begins with a dot is matched only by a component that does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Component>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Component {
    AnyDirectories,
    Name(Vec<char>),
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("the pattern is empty")]
    Empty,
    #[error("the pattern {0:?} leaves the working directory")]
    Outside(String),
    #[error("the pattern {0:?} is too long")]
    TooLong(String),
    #[error("there are more than {MOST} patterns")]
    TooMany,
}

/// Bounds on what matching may cost.
const LONGEST: usize = 1024;
const MOST: usize = 64;

/// Where in a pattern a directory is: the components before it are matched.
pub(crate) type Position = usize;

impl Pattern {
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let excerpt = || text.chars().take(80).collect::<String>();
        if text.len() > LONGEST {
            return Err(PatternError::TooLong(excerpt()));
        }
        if text.starts_with('/') || text.split('/').any(|part| part == "..") {
            return Err(PatternError::Outside(excerpt()));
        }
        let mut components: Vec<Component> = Vec::new();
        for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
            match part {
                "**" if components.last() == Some(&Component::AnyDirectories) => {}
                "**" => components.push(Component::AnyDirectories),
                name => components.push(Component::Name(name.chars().collect())),
            }
        }
        match components.last() {
            None => return Err(PatternError::Empty),
            Some(Component::AnyDirectories) => components.push(Component::Name(vec!['*'])),
            Some(Component::Name(_)) => {}
        }
        Ok(Self(components))
    }

    /// Those that are patterns, and a word about each of the others.
    pub(crate) fn parse_all(texts: &[String]) -> (Vec<Self>, Vec<String>) {
        let (mut patterns, mut notes) = (Vec::new(), Vec::new());
        for text in texts.iter().take(MOST) {
            match Self::parse(text) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => notes.push(error.to_string()),
            }
        }
        if texts.len() > MOST {
            notes.push(PatternError::TooMany.to_string());
        }
        (patterns, notes)
    }

    /// Where the pattern stands in the directory that it begins in.
    pub(crate) fn begin(&self) -> Vec<Position> {
        self.close(vec![0])
    }

    /// True if a file of this name, in a directory at these positions, matches.
    pub(crate) fn matches_file(&self, at: &[Position], name: &str) -> bool {
        at.iter().any(|&position| position + 1 == self.0.len() && self.component(position, name))
    }

    /// The positions in the subdirectory of this name; none if nothing below it can match.
    pub(crate) fn enter(&self, at: &[Position], name: &str) -> Vec<Position> {
        let mut next = Vec::new();
        for &position in at {
            match self.0.get(position) {
                Some(Component::AnyDirectories) if !name.starts_with('.') => next.push(position),
                Some(Component::Name(_)) if position + 1 < self.0.len() && self.component(position, name) => {
                    next.push(position + 1);
                }
                _ => {}
            }
        }
        self.close(next)
    }

    /// "**" also stands for no directory at all.
    fn close(&self, mut positions: Vec<Position>) -> Vec<Position> {
        let mut next = 0;
        while let Some(&position) = positions.get(next) {
            if self.0.get(position) == Some(&Component::AnyDirectories) {
                positions.push(position + 1);
            }
            next += 1;
        }
        positions.sort_unstable();
        positions.dedup();
        positions
    }

    fn component(&self, position: Position, name: &str) -> bool {
        match self.0.get(position) {
            Some(Component::Name(pattern)) => matches_name(pattern, name),
            Some(Component::AnyDirectories) | None => false,
        }
    }
}

/// Goes back only to the latest "*", so that the cost is at most the product of both lengths.
fn matches_name(pattern: &[char], name: &str) -> bool {
    if name.starts_with('.') && pattern.first() != Some(&'.') {
        return false;
    }
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == '?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, path: &str) -> bool {
        let pattern = Pattern::parse(pattern).unwrap();
        let mut at = pattern.begin();
        let (directories, name) = path.rsplit_once('/').unwrap_or(("", path));
        for directory in directories.split('/').filter(|d| !d.is_empty()) {
            at = pattern.enter(&at, directory);
        }
        pattern.matches_file(&at, name)
    }

    #[test]
    fn patterns() {
        for (pattern, path, expected) in [
            ("*.xml", "a.xml", true),
            ("*.xml", "a.xml.bak", false),
            ("*.xml", "reports/a.xml", false),
            ("*.xml", ".hidden.xml", false),
            (".*.xml", ".hidden.xml", true),
            ("./reports//*.xml", "reports/a.xml", true),
            ("reports/*.xml", "reports/b/a.xml", false),
            ("**/*.xml", "a.xml", true),
            ("**/*.xml", "b/c/d/a.xml", true),
            ("b/**/a.xml", "b/a.xml", true),
            ("b/**/c/**/a.xml", "b/x/c/y/z/a.xml", true),
            ("b/**/c/**/a.xml", "b/x/y/z/a.xml", false),
            ("b/**", "b/x/anything", true),
            ("**", "anything", true),
            ("T?ST-*.x*l", "TEST-1.xml", true),
            ("é*", "éa", true),
            ("a?", "aé", true),
            ("*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn patterns_stay_inside() {
        for (text, expected) in [
            ("/etc/passwd", r#"the pattern "/etc/passwd" leaves the working directory"#),
            ("a/../../b", r#"the pattern "a/../../b" leaves the working directory"#),
            ("..", r#"the pattern ".." leaves the working directory"#),
            ("", "the pattern is empty"),
            ("./", "the pattern is empty"),
        ] {
            assert_eq!(Pattern::parse(text).unwrap_err().to_string(), expected);
        }
        let (patterns, notes) = Pattern::parse_all(&vec!["*.xml".to_owned(); 100]);
        assert_eq!(
            (patterns.len(), notes.as_slice()),
            (64, &["there are more than 64 patterns".to_owned()][..])
        );
    }

    /// What a pattern of one component means, said in the simplest way.
    fn naive(pattern: &[char], name: &[char]) -> bool {
        match (pattern.first(), name.first()) {
            (None, None) => true,
            (Some('*'), _) => naive(&pattern[1..], name) || (!name.is_empty() && naive(pattern, &name[1..])),
            (Some('?'), Some(_)) => naive(&pattern[1..], &name[1..]),
            (Some(p), Some(n)) => p == n && naive(&pattern[1..], &name[1..]),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn one_component_means_what_it_says(pattern in "[ab*?]{0,7}", name in "[ab]{0,9}") {
            let chars: Vec<char> = pattern.chars().collect();
            prop_assert_eq!(matches_name(&chars, &name), naive(&chars, &name.chars().collect::<Vec<_>>()));
        }

        #[test]
        fn any_text_is_a_pattern_or_an_error(text: String, path in "[a-c./]{0,12}") {
            if Pattern::parse(&text).is_ok() {
                matches(&text, &path);
            }
        }

        #[test]
        fn no_pattern_explodes(text in "(\\*\\*/|a/|\\*/){0,60}x", depth in 0..40_usize) {
            matches(&text, &format!("{}x", "a/".repeat(depth)));
        }
    }
}
