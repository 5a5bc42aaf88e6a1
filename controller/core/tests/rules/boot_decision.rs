//! What a machine boots in each state.

use crate::given::spec;
use crate::rack::Rack;
use hostler_core::attempt::Stage;
use hostler_core::boot::{BootPlan, decide};
use hostler_core::hardware::{Arch, Firmware};
use hostler_core::input::{AdminAction, PowerResult};
use hostler_core::node::StateName;

fn plan(rack: &Rack) -> BootPlan {
    decide(rack.node("a"))
}

fn wait(reason: &str) -> BootPlan {
    BootPlan::Wait { reason: reason.into() }
}

#[test]
fn each_state_has_one_answer() {
    let mut rack = Rack::new();
    rack.register(spec("a ppc64le"));
    assert_eq!(plan(&rack), wait("the power command for this boot is not confirmed yet"));
    rack.word("a");
    let ramdisk = |rack: &Rack| BootPlan::Ramdisk { boot: rack.boot("a").id, arch: Arch::Ppc64le };
    assert_eq!(plan(&rack), ramdisk(&rack), "asked as often as it likes, it gets the same");
    rack.work_to("a", Stage::Enrolled);
    assert_eq!(plan(&rack), wait("this boot is in use already; a new one will be ordered"));
    rack.work("a", StateName::Ready);
    assert_eq!(plan(&rack), wait("ready, no boot was ordered"));

    rack.chill("a");
    let lease = rack.lease("1 any");
    assert_eq!(plan(&rack), wait("the power command for this boot is not confirmed yet"));
    rack.word("a");
    assert_eq!(plan(&rack), ramdisk(&rack));
    rack.work_to("a", Stage::Deploy);
    assert_eq!(plan(&rack), wait("this boot is in use already; a new one will be ordered"));
    let local = BootPlan::LocalDisk { firmware: Firmware::OpenFirmware };
    rack.work_to("a", Stage::Start);
    assert_eq!(plan(&rack), local);
    rack.work("a", StateName::Leased);
    assert_eq!(plan(&rack), local);

    rack.release(lease);
    assert_eq!(plan(&rack), wait("the power command for this boot is not confirmed yet"));
    let denied = rack.answer("a", PowerResult::Denied { detail: "no".into() });
    rack.accept(denied);
    assert_eq!(plan(&rack), wait("power failed, an administrator must repair it"));
    rack.admin("a", AdminAction::Retire).unwrap();
    assert_eq!(plan(&rack), wait("retired"));
}

/// The answer of the BMC was lost. Whether it was carried out is seen from the machine itself.
#[test]
fn a_power_command_of_unknown_outcome_may_have_been_carried_out() {
    let mut rack = Rack::new();
    rack.register(spec("a"));
    let failed = rack.answer("a", PowerResult::Failed { detail: "timed out".into() });
    rack.accept(failed);
    assert_eq!(plan(&rack), BootPlan::Ramdisk { boot: rack.boot("a").id, arch: Arch::X86_64 });
}
