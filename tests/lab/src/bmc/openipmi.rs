//! OpenIPMI's `ipmi_sim`, by ipmi_sim_cmd(5) and ipmi_lan(5).

use super::{PASSWORD, USER, dir, fru};
use crate::command::run;
use crate::layout;
use crate::machine::Machine;
use crate::namespace::Namespace;
use crate::process::{self, Process};
use std::process::Command;

pub(super) fn start(namespace: &Namespace, machine: &Machine) -> anyhow::Result<Process> {
    let (dir, name) = (dir(machine), machine.name());
    let state = dir.join("state");
    layout::make_dir(&state.join("ipmi_sim").join(name))?;
    layout::write(&dir.join("lan.conf"), lan(machine))?;
    layout::write(&dir.join("bmc.emu"), emulation(machine))?;
    layout::write(&dir.join("fru.bin"), fru::image(name, &machine.identity.serial()))?;
    layout::write(&dir.join("sensors.sdr"), SENSORS)?;
    if !dir.join("temperature").exists() {
        super::set_temperature(machine, 37)?;
    }
    let sensors = state.join("ipmi_sim").join(name).join("sdr.20.main");
    run(Command::new("sdrcomp").arg("-o").arg(sensors).arg(dir.join("sensors.sdr")))?;
    let mut ipmi_sim = namespace.command("ipmi_sim");
    ipmi_sim.current_dir(&dir).args(["-n", "-c"]).arg(dir.join("lan.conf"));
    ipmi_sim.arg("-f").arg(dir.join("bmc.emu")).arg("-s").arg(&state);
    process::spawn(&mut ipmi_sim, &dir.join("log"))
}

/// Users, the network, and who presses the buttons.
fn lan(machine: &Machine) -> String {
    let identity = &machine.identity;
    let auths: String = ["callback", "user", "operator", "admin"]
        .map(|level| format!("    allowed_auths_{level} none md2 md5 straight\n"))
        .concat();
    format!(
        r#"name "{name}"
set_working_mc 0x20
  startlan 1
    addr {address} 623
    priv_limit admin
{auths}    guid {guid}
  endlan
  chassis_control "{program} chassis {dir}"
  serial 15 127.0.0.1 {vm} codec VM
  sol "telnet:127.0.0.1:{serial}" 115200 history=64000
  startnow false
  user 1 true "" "" user 10 none md2 md5 straight
  user 2 true "{USER}" "{PASSWORD}" admin 10 none md2 md5 straight
"#,
        name = machine.name(),
        address = identity.bmc_address(),
        guid = identity.uuid().replace('-', ""),
        program = machine.program.display(),
        dir = machine.dir().display(),
        vm = identity.vm_port(),
        serial = identity.serial_port(),
    )
}

/// One controller with an event log, a watchdog sensor, a thermometer that reads a file, and its FRU data.
fn emulation(machine: &Machine) -> String {
    let dir = dir(machine);
    let states = |bits: &str| format!("{bits} {bits} {bits} {bits}");
    format!(
        r#"mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
sensor_add 0x20 0 0 35 0x6f event-only
sensor_set_event_support 0x20 0 0 enable scanning per-state 000000000001111 000000000000000 000000000001111 000000000000000
sensor_add 0x20 0 1 0x01 0x01 poll 1000 file "{temperature}"
sensor_set_threshold 0x20 0 1 settable 111000 0x70 0x60 0x50 00 00 00
sensor_set_event_support 0x20 0 1 enable scanning per-state {events}
mc_add_fru_data 0x20 0 {size} file 0 "{fru}"
mc_enable 0x20
"#,
        temperature = dir.join("temperature").display(),
        events = states("000111111000000"),
        size = fru::SIZE,
        fru = dir.join("fru.bin").display(),
    )
}

/// For `sdrcomp`: the controller, its watchdog, its thermometer.
const SENSORS: &str = r#"sdr type 18
	device_slave_address 0x20
	device_channel_number 0
	chassis true
	ipmb_event_gen false
	ipmb_event_recv false
	fru_inventory true
	sel true
	sdr true
	sensor true
	entity_id system_board
	entity_instance 1
	id_string "lab"
endsdr
sdr type 3
	sensor_owner_id 0x20
	sensor_owner_lun 0
	channel_number 0
	sensor_number 0
	entity_id system_board
	entity_instance 1
	sensor_type Watchdog_2
	event_reading_type_code 0x6f
	id_string "watchdog"
endsdr
sdr type 1
	sensor_owner_id 0x20
	sensor_owner_lun 0
	channel_number 0
	sensor_number 1
	entity_id system_board
	entity_instance 1
	sensor_type Temperature
	init_scanning true
	init_sensor_type true
	default_sensor_scan_on true
	event_reading_type_code 1
	analog_data_format unsigned
	base_unit degrees_C
	linearization linear
	m 1
	b 0
	accuracy 1
	r_exp 0
	b_exp 0
	sensor_maximum 255
	sensor_minimum 0
	id_string "temperature"
endsdr
"#;
