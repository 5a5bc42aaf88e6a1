//! Wipes, failures and proofs of a machine, for people.

use super::look::{Look, Tone};
use super::time::{age, bytes, span};
use crate::model::node::DiskWipe;
use crate::model::record::{Check, Failure, Proof};
use std::time::Duration;

/// "2h ago  deployment of fedora: no space", and whether that speaks against the machine.
pub(crate) fn failure(failure: &Failure, now_ms: u64, look: &Look) -> String {
    let of = failure.image.as_ref().map(|image| format!(" of {image}")).unwrap_or_default();
    let ago = format!("{} ago", age(now_ms, failure.at_ms));
    let line = format!("{ago:<8} {}{of}: {}", failure.step, failure.evidence);
    if failure.counts { look.paint(Tone::Bad, &format!("{line} (counts)")) } else { line }
}

/// The outcome, then one line for each part.
pub(crate) fn proof(proof: &Proof, now_ms: u64, look: &Look) -> Vec<String> {
    let took = span(Duration::from_millis(proof.duration_ms));
    let ago = age(now_ms, proof.at_ms);
    if proof.checks.is_empty() {
        return vec![format!("passed {ago} ago: inspection and wipe; its agent knows no burn-in")];
    }
    let passed = proof.checks.iter().all(|check| check.passed);
    let word = if passed { look.paint(Tone::Good, "passed") } else { look.paint(Tone::Bad, "failed") };
    let mut lines = vec![format!("{word} {ago} ago, in {took}")];
    lines.extend(proof.checks.iter().map(|check| part(check, look)));
    lines
}

fn part(check: &Check, look: &Look) -> String {
    let detail = if check.passed { check.detail.clone() } else { look.paint(Tone::Bad, &check.detail) };
    format!("{:<10} {detail}", check.part)
}

/// "/dev/vda by discard in 0.4s, 68.0 MiB read back, all zero".
pub(crate) fn wipe(wipe: &DiskWipe, look: &Look) -> String {
    if wipe.method == "kept" {
        return format!("{} left alone: {}", wipe.path, wipe.problem.as_deref().unwrap_or("kept"));
    }
    let took = span(Duration::from_millis(wipe.duration_ms));
    let head = format!("{} by {} in {took}", wipe.path, wipe.method);
    match (&wipe.problem, wipe.verified) {
        (None, true) => {
            let notes = wipe.notes.as_ref().map_or(String::new(), |notes| format!("; note: {notes}"));
            format!("{head}, {} read back, all zero{notes}", bytes(wipe.verified_bytes))
        }
        (problem, _) => {
            let problem = problem.as_deref().unwrap_or("nothing was read back");
            look.paint(Tone::Warn, &format!("{head}: {problem}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: u64 = 1_774_087_953_000;

    #[test]
    fn failures_and_proofs() {
        let look = Look::default();
        let failed = |image: Option<&str>, counts| Failure {
            at_ms: T - 7_200_000,
            step: "deployment".into(),
            evidence: "no space".into(),
            image: image.map(str::to_owned),
            counts,
        };
        assert_eq!(
            failure(&failed(Some("fedora"), true), T, &look),
            "2h ago   deployment of fedora: no space (counts)"
        );
        assert_eq!(failure(&failed(None, false), T, &look), "2h ago   deployment: no space");
        let check = |part: &str, passed, detail: &str| Check {
            part: part.to_owned(),
            passed,
            detail: detail.to_owned(),
        };
        let checks = vec![check("memory", false, "word 7 reads as 0x1"), check("disks", true, "64 MiB read")];
        let full = Proof { at_ms: T - 60_000, duration_ms: 90_000, checks };
        assert_eq!(
            proof(&full, T, &look),
            ["failed 1m ago, in 1m 30s", "memory     word 7 reads as 0x1", "disks      64 MiB read"]
        );
        let old = Proof { checks: Vec::new(), ..full };
        assert_eq!(proof(&old, T, &look), ["passed 1m ago: inspection and wipe; its agent knows no burn-in"]);
    }
}
