//! What a JUnit file counts.

use hostler_proto::agent::v1::JUnitTotals;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

/// Counts the test cases of one file themselves; the sums that its suites claim are not believed. `None` if it is not
/// JUnit. A file that breaks off in the middle counts one error more, so that a test program which crashed does not
/// look as if it had passed.
pub(crate) fn totals(xml: &[u8]) -> Option<JUnitTotals> {
    // Names are what counts here, and they are ASCII in every encoding that JUnit files are found in.
    let text = String::from_utf8_lossy(xml);
    let mut reader = Reader::from_str(&text);
    let mut counter = Counter::default();
    loop {
        // Entities are not expanded and external ones not fetched: nothing grows beyond the file.
        match reader.read_event() {
            Ok(Event::Start(element)) => counter.open(&element)?,
            Ok(Event::Empty(element)) => {
                counter.open(&element)?;
                counter.close();
            }
            Ok(Event::End(_)) => counter.close(),
            Ok(Event::Eof) => {
                let whole = counter.depth == 0;
                return counter.end(whole);
            }
            Ok(_) => {}
            Err(_) => return counter.end(false),
        }
    }
}

#[derive(Default)]
struct Counter {
    totals: JUnitTotals,
    depth: u64,
    seen_root: bool,
    /// Depth and verdict of the test case that is open.
    case: Option<(u64, Verdict)>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Passed,
    Skipped,
    Failed,
    Error,
}

impl Counter {
    /// `None` if the first element is not JUnit's.
    fn open(&mut self, element: &BytesStart<'_>) -> Option<()> {
        let name = element.local_name();
        if self.depth == 0 && !matches!(name.as_ref(), "testsuites" | "testsuite") {
            return None;
        }
        self.seen_root = true;
        self.depth += 1;
        match (&mut self.case, name.as_ref()) {
            (None, "testcase") => self.case = Some((self.depth, Verdict::Passed)),
            (Some((case, verdict)), name) if *case + 1 == self.depth => {
                *verdict = (*verdict).max(match name {
                    "error" => Verdict::Error,
                    "failure" => Verdict::Failed,
                    "skipped" => Verdict::Skipped,
                    _ => Verdict::Passed,
                });
            }
            _ => {}
        }
        Some(())
    }

    fn close(&mut self) {
        if let Some((case, verdict)) = self.case
            && case == self.depth
        {
            self.case = None;
            self.count(verdict);
        }
        self.depth = self.depth.saturating_sub(1);
    }

    fn count(&mut self, verdict: Verdict) {
        let totals = &mut self.totals;
        totals.tests = totals.tests.saturating_add(1);
        let kind = match verdict {
            Verdict::Passed => return,
            Verdict::Skipped => &mut totals.skipped,
            Verdict::Failed => &mut totals.failures,
            Verdict::Error => &mut totals.errors,
        };
        *kind = kind.saturating_add(1);
    }

    fn end(mut self, whole: bool) -> Option<JUnitTotals> {
        if !self.seen_root {
            return None;
        }
        if !whole {
            self.count(Verdict::Error);
        }
        Some(self.totals)
    }
}

/// The sum of two files.
pub(crate) const fn add(a: JUnitTotals, b: JUnitTotals) -> JUnitTotals {
    JUnitTotals {
        tests: a.tests.saturating_add(b.tests),
        failures: a.failures.saturating_add(b.failures),
        errors: a.errors.saturating_add(b.errors),
        skipped: a.skipped.saturating_add(b.skipped),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REPORT: &str = r#"<?xml version="1.0"?>
<testsuites tests="99"><testsuite name="s">
  <properties><property name="failure"/></properties>
  <testcase name="passes"/>
  <testcase name="fails"><failure>text &amp; &lt;error/&gt;</failure><failure/><system-out>x</system-out></testcase>
  <testcase name="breaks"><failure/><error message="m"/></testcase>
  <testcase name="skips"><skipped/></testcase>
  <testcase name="talks"><system-out><error/><testcase/></system-out></testcase>
</testsuite></testsuites>"#;

    fn counted(xml: &str) -> Option<[u32; 4]> {
        totals(xml.as_bytes()).map(|t| [t.tests, t.failures, t.errors, t.skipped])
    }

    #[test]
    fn files() {
        for (xml, expected) in [
            (REPORT, Some([5, 1, 1, 1])),
            ("<testsuite/>", Some([0; 4])),
            ("<j:testsuite xmlns:j='u'><j:testcase/></j:testsuite>", Some([1, 0, 0, 0])),
            // Broken off: one error more.
            ("<testsuite><testcase/><testcase><failure>", Some([2, 0, 1, 0])),
            ("<testsuite><testcase/></testsuites>", Some([2, 0, 1, 0])),
            // Not JUnit.
            ("<project><testcase/></project>", None),
            ("", None),
            ("plain text", None),
            ("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><html>&x;</html>", None),
        ] {
            assert_eq!(counted(xml), expected, "{xml}");
        }
    }

    #[test]
    fn an_entity_bomb_does_not_go_off() {
        let mut xml = String::from("<!DOCTYPE l [<!ENTITY a0 'aaaaaaaaaa'>");
        for n in 1..40 {
            xml.push_str(&format!("<!ENTITY a{n} '{}'>", format!("&a{};", n - 1).repeat(10)));
        }
        xml.push_str("]><testsuite><testcase name='&a39;'><failure>&a39;</failure></testcase></testsuite>");
        assert_eq!(counted(&xml), Some([1, 1, 0, 0]));
    }

    #[test]
    fn depth_is_no_recursion() {
        let deep = format!("<testsuite>{}", "<testsuite>".repeat(500_000));
        assert_eq!(counted(&deep), Some([1, 0, 1, 0]));
    }

    proptest! {
        #[test]
        fn mutations_are_counted_or_refused(at: prop::sample::Index, with: Vec<u8>, cut in 0..40_usize) {
            let mut xml = REPORT.as_bytes().to_vec();
            let at = at.index(xml.len());
            let end = (at + cut).min(xml.len());
            xml.splice(at..end, with);
            let _ = totals(&xml);
        }

        #[test]
        fn a_prefix_never_passes(at in 0..REPORT.len() - 1) {
            if let Some(totals) = totals(&REPORT.as_bytes()[..at]) {
                prop_assert!(totals.errors > 0, "{}", &REPORT[..at]);
            }
        }
    }
}
