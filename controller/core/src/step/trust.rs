//! Failures of deployments: whether they speak against the machine or against the image, and the proof of a machine.

use super::Result;
use crate::attempt::{EvidenceKind, Phase, Stage};
use crate::catalogue::{Image, ImageStatus};
use crate::event::Severity;
use crate::hardware::Arch;
use crate::ids::{ImageId, LeaseId, NodeId};
use crate::input::{Refusal, Reply};
use crate::lease::{CloseReason, Lease};
use crate::node::{HoldKind, NodeState};
use crate::order;
use crate::record::{Check, Failure, Proof, STRIKES};
use crate::text::clip;
use crate::trust::FailedOn;
use crate::world::World;

/// Parts of a burn-in that one report may have.
const MAX_CHECKS: usize = 16;

impl World {
    /// A deployment came to nothing on every rung. Where several good machines fail with one image, the image is to
    /// blame; a machine that fails with good images is quarantined at its second failure, and proves itself before.
    pub(super) fn deployment_failed(&mut self, id: NodeId, lease: LeaseId, evidence: String) {
        let image = order::image_of(self, id).cloned();
        let now = self.meta.now;
        let Some(node) = self.nodes.get_mut(id) else { return };
        let was_good = node.record.strikes() == 0;
        // What failed before the agent had looked at the machine had nothing to do with the image.
        let had_image = node.state.boot().is_some_and(|b| b.seen(EvidenceKind::Identity).is_some());
        node.record.note(Failure {
            at: now,
            step: "deployment".into(),
            evidence: evidence.clone(),
            image: image.as_ref().map(|image| image.id),
            counts: image.as_ref().is_some_and(|image| image.status == ImageStatus::Good),
        });
        let witness = FailedOn { node: id, at: now, evidence: evidence.clone() };
        let suspicion =
            image.filter(|_| was_good && had_image).and_then(|image| self.held_against(image, witness));
        let strikes = self.nodes.get(id).map_or(0, |n| n.record.strikes());
        if strikes >= STRIKES {
            return self.give_up(id, "deployment", evidence, HoldKind::Quarantine);
        }
        if let Some(node) = self.nodes.get_mut(id) {
            node.record.due = true;
        }
        // An active lease has machines that run the image, and goes on with them.
        let is_active = self.leases.get(lease).is_some_and(Lease::is_active);
        match suspicion.filter(|_| !is_active) {
            Some(text) => self.end_lease(lease, CloseReason::Image, text),
            None => {
                self.clean(id, lease, None);
                self.lost_member(lease, id, &evidence);
            }
        }
    }

    /// The agent of a machine says that an image is at fault. A good machine is a witness.
    pub(super) fn blamed_by(&mut self, id: NodeId, image: Image, evidence: String) {
        if self.nodes.get(id).is_some_and(|node| node.record.strikes() == 0) {
            self.held_against(image, FailedOn { node: id, at: self.meta.now, evidence });
        }
    }

    /// An image failed on a good machine. Says so, if it is suspect now.
    pub(super) fn held_against(&mut self, mut image: Image, on: FailedOn) -> Option<String> {
        let suspect = image.failed(on);
        let (id, name, arch) = (image.id, image.name.clone(), image.arch);
        let witnesses = self.names(image.trust.failed_on.iter().map(|failure| failure.node));
        self.put_image(image);
        if !suspect {
            return None;
        }
        let text =
            format!("image {name} for {arch} is suspect: it failed on {witnesses}, one after the other");
        self.tell(Severity::Incident, "image-suspect", (), text.clone());
        self.acquit(id, &name);
        self.reschedule = true;
        Some(text)
    }

    /// Failures that an image explains do not speak against machines: whoever was quarantined for them is proved.
    fn acquit(&mut self, image: ImageId, name: &str) {
        let blamed = |f: &Failure| f.counts && f.image == Some(image);
        let concerned: Vec<_> =
            self.nodes.values().filter(|n| n.record.failures.iter().any(blamed)).map(|n| n.id).collect();
        for id in concerned {
            let Some(node) = self.nodes.get_mut(id) else { continue };
            node.record.forgive(blamed);
            let for_that = matches!(&node.state, NodeState::Failed { step, .. } if step == "deployment");
            if for_that && node.record.strikes() < STRIKES {
                self.lift(id, HoldKind::Quarantine, "hostlerd");
                self.inspect_to_prove(id, format!("image {name} is suspect"));
            }
        }
    }

    /// Looks at a machine anew, wipes it and burns it in.
    pub(super) fn inspect_to_prove(&mut self, id: NodeId, because: String) {
        if let Some(node) = self.nodes.get_mut(id) {
            node.record.due = true;
        }
        self.inspect(id, Some(because));
    }

    /// A machine runs what was deployed: that speaks for it, and for the image.
    pub(super) fn deployment_succeeded(&mut self, id: NodeId, image: Option<ImageId>) {
        if let Some(node) = self.nodes.get_mut(id) {
            node.record.forgive(|_| true);
        }
        let Some(mut image) = image.and_then(|image| self.images.get(image)).cloned() else { return };
        let before = (image.status, image.trust.clone());
        if image.succeeded() {
            let text = format!("image {} for {} is good: machines run it", image.name, image.arch);
            self.tell(Severity::Info, "image-good", (), text);
        }
        if before != (image.status, image.trust.clone()) {
            self.put_image(image);
        }
    }

    /// The machine is wiped. Where it has to, it proves itself before anybody gets it.
    pub(super) fn prove_or_finish(&mut self, id: NodeId) {
        let now = self.meta.now;
        let Some(node) = self.nodes.get_mut(id) else { return };
        match node.state.boot() {
            Some(boot) if node.record.due && boot.proves => {
                self.advance(id, Stage::Prove, self.timing.prove_ms);
            }
            Some(boot) if node.record.due => {
                let took_ms = now.0.saturating_sub(boot.ordered.0);
                node.record.due = false;
                node.record.proof = Some(Proof { at: now, took_ms, checks: Vec::new() });
                self.is_clean(id);
            }
            _ => self.is_clean(id),
        }
    }

    pub(super) fn on_proved(&mut self, id: NodeId, task: u64, took_ms: u64, checks: Vec<Check>) -> Result {
        if !self.is_ordered(id, task, Stage::Prove) {
            return Ok(Reply::Done);
        }
        if checks.is_empty() {
            self.escalate(id, "the burn-in checked nothing");
            return Ok(Reply::Done);
        }
        let now = self.meta.now;
        let Some(node) = self.nodes.get_mut(id) else { return Ok(Reply::Done) };
        let clipped = |c: Check| Check { part: clip(&c.part), detail: clip(&c.detail), ..c };
        let checks = checks.into_iter().take(MAX_CHECKS).map(clipped).collect();
        let proof = Proof { at: now, took_ms, checks };
        let problem = proof.problem();
        node.record.due = problem.is_some();
        node.record.proof = Some(proof);
        if let Some(boot) = node.state.boot_mut() {
            let from = boot.last_end();
            boot.spend(Phase::Prove, from, now);
            boot.witness(EvidenceKind::Proved, problem.as_deref().unwrap_or("as it should be"), now);
        }
        match problem {
            Some(problem) => self.fail(id, "proof", problem, HoldKind::Quarantine),
            None => self.is_clean(id),
        }
        Ok(Reply::Done)
    }

    pub(super) fn on_clear_image(&mut self, author: &str, name: &str, arch: Option<Arch>) -> Result {
        let named = Arch::ALL.into_iter().filter(|a| arch.is_none_or(|wanted| wanted == *a));
        let images: Vec<_> = named.filter_map(|arch| self.image_for(name, arch)).cloned().collect();
        if images.is_empty() {
            let of = arch.map(|arch| format!(" for {arch}")).unwrap_or_default();
            return Err(Refusal::NotFound(format!(
                "there is no image {name:?}{of}; see `hostler image list`"
            )));
        }
        for mut image in images.into_iter().filter(|image| image.status == ImageStatus::Suspect) {
            image.clear();
            let text =
                format!("image {name} for {} cleared by {author}: it is a candidate again", image.arch);
            self.put_image(image);
            self.tell(Severity::Info, "image-cleared", (), text);
            self.reschedule = true;
        }
        Ok(Reply::Done)
    }
}
