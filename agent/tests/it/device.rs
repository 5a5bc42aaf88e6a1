//! Commands to devices, against recorded exchanges.

use crate::support::recorded::Recorded;
use async_trait::async_trait;
use hostler_agent::device::nvme::{AdminAnswer, AdminCommand, Nvme};
use hostler_agent::device::scsi::{Scsi, ScsiAnswer, ScsiCommand};
use hostler_agent::device::{Action, EraseError, EraseMethod, Passthrough, Survey, erase, health, survey};
use proptest::prelude::*;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

const METHODS: [EraseMethod; 8] = [
    EraseMethod::NvmeSanitize(Action::BlockErase),
    EraseMethod::NvmeFormat { crypto: false },
    EraseMethod::ScsiSanitize(Action::Overwrite),
    EraseMethod::AtaSanitize(Action::BlockErase),
    EraseMethod::AtaSanitize(Action::Crypto),
    EraseMethod::AtaSanitize(Action::Overwrite),
    EraseMethod::AtaSecureErase { enhanced: false },
    EraseMethod::AtaSecureErase { enhanced: true },
];

fn go_on(_: u16) -> bool {
    true
}

async fn look(device: &Recorded) -> Survey {
    survey(&device.passthrough(), device.rotational(), &go_on).await.unwrap()
}

fn names(methods: &[EraseMethod]) -> String {
    methods.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What the device offers, and what comes of the first offer.
#[tokio::test(start_paused = true)]
async fn devices_erase_themselves_by_what_they_say_that_they_can() {
    let cases = [
        (
            "nvme-sanitize-block-erase",
            "nvme-sanitize (block erase), nvme-format, nvme-sanitize (crypto erase), nvme-format (crypto erase), \
             nvme-sanitize (overwrite)",
            "",
        ),
        ("nvme-format-keeps-format", "nvme-format", ""),
        ("nvme-sanitize-fails", "nvme-sanitize (block erase)", "the device says that it failed"),
        (
            "nvme-sanitize-refused",
            "nvme-sanitize (block erase)",
            "the device ended Sanitize with status 0x10b (a reset is needed to activate firmware)",
        ),
        ("nvme-sanitize-never-ends", "nvme-sanitize (block erase)", "not over after 3600 s, 50 % done"),
        (
            "scsi-sanitize",
            "scsi-sanitize (block erase), scsi-sanitize (crypto erase), scsi-sanitize (overwrite)",
            "",
        ),
        ("scsi-sanitize-fails", "scsi-sanitize (block erase)", "the device says that it failed"),
        ("scsi-sanitize-never-ends", "scsi-sanitize (block erase)", "not over after 3600 s, 50 % done"),
        ("scsi-sanitize-lost", "scsi-sanitize (overwrite)", "SANITIZE did not get through"),
        ("ata-secure-erase", "ata-secure-erase (enhanced)", ""),
        (
            "ata-erase-aborted",
            "ata-secure-erase",
            "the device ended SECURITY ERASE UNIT with aborted command (0xb/0x00/0x00)",
        ),
        (
            "ata-password-left-set",
            "ata-secure-erase",
            "it failed, and the password \"hostler\" that it needed could not be taken off again; erased with \
             SECURITY ERASE UNIT did not get through",
        ),
        ("ata-sanitize", "ata-sanitize (block erase), ata-sanitize (crypto erase)", ""),
        (
            "ata-sanitize-fails",
            "ata-sanitize (block erase), ata-sanitize (crypto erase)",
            "the device says that it failed",
        ),
    ];
    for (name, methods, problem) in cases {
        let device = Recorded::open(name);
        let survey = look(&device).await;
        assert_eq!((names(&survey.methods).as_str(), survey.notes), (methods, vec![]), "{name}");
        let result = erase(&device.passthrough(), survey.methods[0], &go_on).await;
        assert_eq!(result.map_or_else(|error| error.to_string(), |()| String::new()), problem, "{name}");
        device.finish();
    }
}

/// As captured: health, what is offered, and what comes of the first offer.
#[tokio::test]
async fn emulated_disks_offer_only_what_they_can_do() {
    let cases = [
        ("qemu-nvme", "ok", "nvme-format", ""),
        (
            "qemu-scsi",
            "",
            "",
            "scsi-sanitize: the device ended REPORT SUPPORTED OPERATION CODES with invalid command operation code \
             (0x5/0x20/0x00)",
        ),
        ("qemu-ata", "ok", "", ""),
    ];
    for (name, well, methods, notes) in cases {
        let device = Recorded::open(name);
        assert_eq!(health(&device.passthrough()).await, well, "{name}");
        let survey = look(&device).await;
        let found = (names(&survey.methods), survey.notes.join("; "));
        assert_eq!((found.0.as_str(), found.1.as_str()), (methods, notes), "{name}");
        if let [method, ..] = survey.methods[..] {
            erase(&device.passthrough(), method, &go_on).await.unwrap();
        }
        device.finish();
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_used_is_told() {
    let cases = [
        (
            "nvme-shared",
            "",
            "nvme-sanitize: it would erase other namespaces as well; nvme-format: it would erase other namespaces as well",
        ),
        ("nvme-several-controllers", "nvme-format", "nvme-sanitize: it would erase other namespaces as well"),
        ("nvme-silent", "", "nvme: Identify Controller did not get through"),
        ("nvme-sanitize-unfinished", "nvme-sanitize (block erase)", ""),
        ("scsi-platters", "scsi-sanitize (crypto erase)", ""),
        (
            "scsi-unfinished",
            "",
            "scsi-sanitize: the device ended REPORT SUPPORTED OPERATION CODES with invalid command operation code (0x5/0x20/0x00)",
        ),
        (
            "ata-frozen",
            "",
            "ata-secure-erase: the firmware has frozen the security settings until the power is off",
        ),
        ("ata-locked-by-us", "ata-secure-erase (enhanced)", ""),
        (
            "ata-locked-by-others",
            "",
            "ata: it is protected by a password that is not known here; ata-secure-erase: a password is set",
        ),
        ("ata-platters", "", "ata-secure-erase: it would take too long, or nobody knows how long"),
        (
            "ata-sanitize-unreadable",
            "",
            "ata-sanitize: the answer to SANITIZE STATUS EXT makes no sense: the translation keeps half of the count back",
        ),
        (
            "ata-short-identify",
            "",
            "ata: the answer to IDENTIFY DEVICE makes no sense: shorter than 512 bytes",
        ),
    ];
    for (name, methods, notes) in cases {
        let device = Recorded::open(name);
        let survey = look(&device).await;
        let found = (names(&survey.methods), survey.notes.join("; "));
        assert_eq!((found.0.as_str(), found.1.as_str()), (methods, notes), "{name}");
        device.finish();
    }
}

#[tokio::test(start_paused = true)]
async fn a_newer_task_ends_the_wait_and_not_the_device() {
    let device = Recorded::open("nvme-sanitize-never-ends");
    let methods = look(&device).await.methods;
    let start = Instant::now();
    let until_a_minute = move |_| start.elapsed() < Duration::from_secs(60);
    let result = erase(&device.passthrough(), methods[0], &until_a_minute).await;
    assert!(matches!(result, Err(EraseError::Stopped)), "{result:?}");
    assert_eq!(start.elapsed(), Duration::from_secs(60));
}

/// Answers anything with anything, but with what makes the agent go on more often than chance would.
struct Noise(Mutex<Vec<u8>>);

impl Noise {
    fn take(&self, length: usize) -> Vec<u8> {
        let mut rest = self.0.lock().unwrap();
        // When there is nothing left it goes round.
        let taken: Vec<u8> = rest.iter().copied().cycle().take(length).collect();
        let used = length.min(rest.len().saturating_sub(1));
        rest.rotate_left(used.max(1));
        taken
    }

    fn passthrough(bytes: &[u8]) -> [Passthrough; 2] {
        let noise = || Self(Mutex::new(bytes.to_vec()));
        [Passthrough::Nvme(Arc::new(noise())), Passthrough::Scsi(Arc::new(noise()))]
    }
}

#[async_trait]
impl Nvme for Noise {
    fn namespace(&self) -> u32 {
        1
    }

    async fn admin(&self, command: AdminCommand) -> io::Result<AdminAnswer> {
        let [status, length] = self.take(2)[..] else { return Err(io::ErrorKind::Other.into()) };
        let length = if length & 1 == 0 { command.read } else { length.into() };
        Ok(AdminAnswer { status: if status & 1 == 0 { 0 } else { status.into() }, data: self.take(length) })
    }
}

#[async_trait]
impl Scsi for Noise {
    async fn execute(&self, command: ScsiCommand) -> io::Result<ScsiAnswer> {
        let [status, length] = self.take(2)[..] else { return Err(io::ErrorKind::Other.into()) };
        let mut data = self.take(length.into());
        if command.cdb[0] == 0x12 && status & 4 == 0 {
            data = [&[0; 8][..], b"ATA     "].concat();
        }
        let mut sense = self.take(usize::from(length) % 40);
        if let Some(format) = sense.first_mut() {
            *format = 0x70 | (*format & 2);
        }
        Ok(ScsiAnswer { status: status & 2, sense, data })
    }
}

proptest! {
    #[test]
    fn no_answer_of_a_device_makes_the_agent_panic(bytes in prop::collection::vec(any::<u8>(), 16..2048)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            for device in Noise::passthrough(&bytes) {
                let patience = AtomicU32::new(20);
                let soon_over = |_: u16| patience.fetch_sub(1, Ordering::Relaxed) > 1;
                let _ = survey(&device, false, &soon_over).await;
                for method in METHODS {
                    patience.store(20, Ordering::Relaxed);
                    let _ = erase(&device, method, &soon_over).await;
                }
                let _ = health(&device).await;
            }
        });
    }
}

#[tokio::test]
async fn devices_tell_how_they_are() {
    let cases = [
        ("nvme-health-good", "ok"),
        (
            "nvme-health-bad",
            "spare capacity is low, its reliability is degraded, 105 % of its endurance are used, 2 media errors",
        ),
        ("nvme-silent-health", ""),
        ("ata-health-good", "ok"),
        ("ata-health-bad", "it expects to fail soon"),
        ("ata-health-off", ""),
        ("scsi-health-good", "ok"),
        ("scsi-health-bad", "it expects to fail soon"),
        ("scsi-health-none", ""),
    ];
    for (name, expected) in cases {
        let device = Recorded::open(name);
        assert_eq!(health(&device.passthrough()).await, expected, "{name}");
        device.finish();
    }
}
