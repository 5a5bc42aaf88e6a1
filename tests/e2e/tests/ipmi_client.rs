//! Our client and the simulated controller over a network that loses, doubles, delays and reorders, and a controller
//! that does what real ones do wrong.

use hostler_bmc::{
    AuthenticationFailure, BootDevice, BootFlags, ChassisControl, CipherSuite, Error, Privilege, Secret,
    Session, Target, Timing, UserName,
};
use hostler_e2e::bad_network::{BadNetwork, Weather};
use hostler_fleet::bmc::{BmcConfig, SimBmc};
use hostler_fleet::chassis::{self, Chassis};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const GUID: [u8; 16] = *b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff";

/// Patient in number of repetitions, not in time: nothing here is slow.
const QUICK: Timing = Timing {
    retransmit: Duration::from_millis(20),
    request: Duration::from_secs(20),
    open: Duration::from_secs(20),
};

/// Gives up soon: for answers that never come.
const HASTY: Timing = Timing {
    retransmit: Duration::from_millis(20),
    request: Duration::from_millis(200),
    open: Duration::from_millis(200),
};

/// What a simulated chassis needs to follow, with room to spare.
const SETTLE: Duration = Duration::from_secs(5);

fn config() -> BmcConfig {
    let user = UserName::new("admin").expect("a user name");
    BmcConfig::new(user, Secret::new(b"correct horse").expect("a password"), GUID)
}

async fn bmc_of(config: BmcConfig) -> (SimBmc, Chassis) {
    let chassis = Chassis::new();
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    (SimBmc::start(address, config, chassis.clone()).await.expect("a free port"), chassis)
}

fn target(bmc: &SimBmc) -> Target {
    Target {
        address: bmc.address(),
        user: UserName::new("admin").expect("a user name"),
        password: Secret::new(b"correct horse").expect("a password"),
        kg: None,
        suite: CipherSuite::Aes128Sha256,
        privilege: Privilege::Administrator,
    }
}

#[tokio::test]
async fn every_order_is_carried_out_once_over_a_bad_network() {
    let mut seeds: JoinSet<()> = (0..16).map(orders_in_bad_weather).collect();
    while let Some(finished) = seeds.join_next().await {
        finished.unwrap();
    }
}

async fn orders_in_bad_weather(seed: u64) {
    let (bmc, chassis) = bmc_of(config()).await;
    let weather = Weather { lost: 20, doubled: 20, held_up: Duration::from_millis(40), seed };
    let network = BadNetwork::before(bmc.address(), weather).await.expect("a free port");
    let suite = if seed.is_multiple_of(2) { CipherSuite::Aes128Sha1 } else { CipherSuite::Aes128Sha256 };
    let target = Target { address: network.address(), suite, ..target(&bmc) };
    let network_boot = BootFlags { device: BootDevice::Network, uefi: true, persistent: false };

    let mut session = Session::open(&target, QUICK).await.expect("a session");
    session.ensure_power(true, SETTLE).await.expect("power");
    session.set_boot_flags(network_boot).await.expect("an accepted order");
    assert_eq!(session.boot_flags().await.expect("an answer"), Some(network_boot), "seed {seed}");
    session.restart(SETTLE).await.expect("a restart");
    assert!(session.chassis_status().await.expect("an answer").power_on, "seed {seed}");
    session.close().await;

    let orders = [ChassisControl::PowerOn, ChassisControl::PowerOff, ChassisControl::PowerOn];
    assert_eq!(bmc.journal().read().actions, orders, "seed {seed}");
    assert_eq!(chassis.power().starts, 2, "seed {seed}");
}

#[tokio::test]
async fn a_cycle_whose_answer_is_lost_is_not_repeated() {
    let (bmc, chassis) = bmc_of(config()).await;
    chassis.on();
    let mut session = Session::open(&target(&bmc), HASTY).await.unwrap();
    bmc.faults().change(|faults| faults.loses_every = 1);
    let error = session.chassis_control(ChassisControl::PowerCycle).await.unwrap_err();
    assert!(matches!(error, Error::Unanswered { datagrams: 1, .. }), "{error}");
    assert_eq!(bmc.journal().read().actions, [ChassisControl::PowerCycle]);
}

#[tokio::test]
async fn a_busy_controller_is_asked_again() {
    let (bmc, chassis) = bmc_of(config()).await;
    chassis.on();
    let mut session = Session::open(&target(&bmc), QUICK).await.unwrap();
    bmc.faults().change(|faults| faults.busy = 3);
    session.chassis_control(ChassisControl::PowerCycle).await.unwrap();
    assert_eq!(bmc.journal().read().actions, [ChassisControl::PowerCycle]);
    bmc.faults().change(|faults| faults.busy = u32::MAX);
    let mut session = Session::open(&target(&bmc), HASTY).await;
    assert!(matches!(session, Err(Error::Refused { code: 0xc0, .. })), "{session:?}");
    bmc.faults().change(|faults| faults.busy = 0);
    session = Session::open(&target(&bmc), HASTY).await;
    assert!(session.is_ok(), "{session:?}");
}

#[tokio::test]
async fn the_late_answer_to_one_question_is_not_taken_for_the_next() {
    let (bmc, chassis) = bmc_of(config()).await;
    chassis.on();
    let mut session = Session::open(&target(&bmc), HASTY).await.unwrap();
    bmc.faults().change(|faults| faults.delay = HASTY.request * 2);
    let error = session.chassis_status().await.unwrap_err();
    assert!(matches!(error, Error::Unanswered { .. }), "{error}");
    // "On" is on its way by now, several times.
    chassis.off();
    bmc.faults().change(|faults| faults.delay = Duration::ZERO);
    let status = loop {
        match session.chassis_status().await {
            Ok(status) => break status,
            Err(Error::Unanswered { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert!(!status.power_on);
}

/// A relay for one client of `bmc`, with what a test does to the datagrams of its session. They are encrypted, so they
/// are known by their number, from 1 in each direction.
struct Relay {
    front: UdpSocket,
    back: UdpSocket,
    client: Option<SocketAddr>,
    questions: usize,
    answers: Vec<Vec<u8>>,
}

impl Relay {
    async fn before(bmc: SocketAddr) -> Self {
        let front = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let back = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        back.connect(bmc).await.expect("a route");
        Self { front, back, client: None, questions: 0, answers: Vec::new() }
    }

    fn address(&self) -> SocketAddr {
        self.front.local_addr().expect("an address")
    }

    /// Encrypted and authenticated: of a session.
    fn is_of_session(datagram: &[u8]) -> bool {
        datagram[5] & 0xc0 == 0xc0
    }

    async fn ask(&self, question: &[u8]) {
        self.back.send(question).await.expect("a controller");
    }

    async fn answer(&self, answer: &[u8]) {
        let client = self.client.expect("a question before its answer");
        self.front.send_to(answer, client).await.expect("a client");
    }

    /// Hands each answer of the session on twice: at once, and again before the 64th after it, which has the same
    /// request sequence number.
    async fn replay_answers(mut self) {
        let (mut question, mut answer) = ([0; 1024], [0; 1024]);
        loop {
            tokio::select! {
                Ok((len, from)) = self.front.recv_from(&mut question) => {
                    self.client = Some(from);
                    self.ask(&question[..len]).await;
                }
                Ok(len) = self.back.recv(&mut answer) => {
                    if Self::is_of_session(&answer) {
                        self.answers.push(answer[..len].to_vec());
                        if let Some(old) = self.answers.len().checked_sub(65) {
                            self.answer(&self.answers[old]).await;
                        }
                    }
                    self.answer(&answer[..len]).await;
                }
            }
        }
    }

    /// Loses the third answer and holds up the fourth question, which is then the third one's copy.
    async fn hold_up_a_copy(mut self, delay: Duration) {
        let (mut question, mut answer, mut held) = ([0; 1024], [0; 1024], None::<Vec<u8>>);
        let late = sleep(Duration::ZERO);
        tokio::pin!(late);
        loop {
            tokio::select! {
                () = &mut late, if held.is_some() => {
                    self.ask(&held.take().unwrap_or_default()).await;
                }
                Ok((len, from)) = self.front.recv_from(&mut question) => {
                    self.client = Some(from);
                    self.questions += usize::from(Self::is_of_session(&question));
                    if self.questions == 4 && Self::is_of_session(&question) {
                        held = Some(question[..len].to_vec());
                        late.as_mut().reset(Instant::now() + delay);
                    } else {
                        self.ask(&question[..len]).await;
                    }
                }
                Ok(len) = self.back.recv(&mut answer) => {
                    if Self::is_of_session(&answer) {
                        self.answers.push(answer[..len].to_vec());
                    }
                    if self.answers.len() != 3 || !Self::is_of_session(&answer) {
                        self.answer(&answer[..len]).await;
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_late_copy_of_one_order_does_not_undo_the_next() {
    let (bmc, chassis) = bmc_of(config()).await;
    chassis.on();
    let slow = Timing { retransmit: Duration::from_millis(200), ..QUICK };
    let network = Relay::before(bmc.address()).await;
    let target = Target { address: network.address(), ..target(&bmc) };
    let mut relay = JoinSet::new();
    // The next copy is sent after two intervals more, and answered.
    relay.spawn(network.hold_up_a_copy(slow.retransmit * 3));
    let mut session = Session::open(&target, slow).await.unwrap();
    // Privilege, status, off, and a copy of that.
    session.restart(SETTLE).await.unwrap();
    sleep(slow.retransmit * 3).await;
    assert!(session.chassis_status().await.unwrap().power_on);
    assert_eq!(bmc.journal().read().actions, [ChassisControl::PowerOff, ChassisControl::PowerOn]);
}

#[tokio::test]
async fn an_answer_that_was_recorded_is_not_believed_again() {
    let (bmc, chassis) = bmc_of(config()).await;
    chassis.on();
    let network = Relay::before(bmc.address()).await;
    let target = Target { address: network.address(), ..target(&bmc) };
    let mut relay = JoinSet::new();
    relay.spawn(network.replay_answers());
    let mut session = Session::open(&target, QUICK).await.unwrap();
    for _ in 0..64 {
        assert!(session.chassis_status().await.unwrap().power_on);
    }
    chassis.off();
    for _ in 0..64 {
        assert!(!session.chassis_status().await.unwrap().power_on);
    }
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_and_leaves_no_session_behind() {
    let (bmc, _chassis) = bmc_of(config()).await;
    for suite in CipherSuite::ALL {
        let wrong = Target { password: Secret::new(b"battery staple").unwrap(), suite, ..target(&bmc) };
        let error = Session::open(&wrong, QUICK).await.unwrap_err();
        let reason = AuthenticationFailure::Password;
        assert!(matches!(error, Error::AuthenticationRefused { reason: r, .. } if r == reason), "{error}");
    }
    // Answered after what went before it.
    Session::open(&target(&bmc), QUICK).await.unwrap().close().await;
    let record = bmc.journal().read();
    assert_eq!((record.session_attempts, record.failed_authentications), (3, 2));
    assert_eq!(bmc.sessions(), 0);
}

#[tokio::test]
async fn a_wrong_user_is_an_authentication_failure() {
    let (bmc, _chassis) = bmc_of(config()).await;
    let wrong = Target { user: UserName::new("root").unwrap(), ..target(&bmc) };
    let error = Session::open(&wrong, QUICK).await.unwrap_err();
    assert!(
        matches!(error, Error::AuthenticationRefused { reason: AuthenticationFailure::Status(_), .. }),
        "{error}"
    );
    assert_eq!(bmc.journal().read().failed_authentications, 1);
}

#[tokio::test]
async fn a_second_key_is_used_and_a_wrong_one_noticed() {
    let kg = Some(Secret::new(b"second key").unwrap());
    let (bmc, _chassis) = bmc_of(BmcConfig { kg: kg.clone(), ..config() }).await;
    let mut session = Session::open(&Target { kg, ..target(&bmc) }, QUICK).await.unwrap();
    assert!(!session.chassis_status().await.unwrap().power_on);
    let error = Session::open(&target(&bmc), QUICK).await.unwrap_err();
    let reason = AuthenticationFailure::Kg;
    assert!(matches!(error, Error::AuthenticationRefused { reason: r, .. } if r == reason), "{error}");
}

#[tokio::test]
async fn a_suite_is_never_lowered() {
    let (bmc, _chassis) = bmc_of(BmcConfig { suites: vec![CipherSuite::Aes128Sha1], ..config() }).await;
    let error = Session::open(&target(&bmc), QUICK).await.unwrap_err();
    assert!(matches!(error, Error::SuiteNotOffered { .. }), "{error}");
    for suite in CipherSuite::ALL {
        let (bmc, _chassis) = bmc_of(config()).await;
        bmc.faults().change(|faults| faults.lowers_suite = true);
        let error = Session::open(&Target { suite, ..target(&bmc) }, QUICK).await.unwrap_err();
        assert!(matches!(error, Error::SuiteNotOffered { .. }), "{error}");
        assert_eq!(bmc.journal().read().sessions, 0);
    }
}

#[tokio::test]
async fn an_account_gets_the_privilege_that_it_has() {
    let (bmc, chassis) = bmc_of(BmcConfig { limit: Privilege::Operator, ..config() }).await;
    let error = Session::open(&target(&bmc), QUICK).await.unwrap_err();
    assert!(matches!(error, Error::PrivilegeRefused { .. }), "{error}");
    let operator = Target { privilege: Privilege::Operator, ..target(&bmc) };
    let mut session = Session::open(&operator, QUICK).await.unwrap();
    session.ensure_power(true, SETTLE).await.unwrap();
    assert!(chassis.power().on);
    let error = session.cold_reset().await.unwrap_err();
    assert!(matches!(error, Error::Refused { code: 0xd4, .. }), "{error}");
}

#[tokio::test]
async fn a_session_that_is_dropped_or_cancelled_frees_its_slot() {
    let (bmc, _chassis) = bmc_of(BmcConfig { slots: 2, ..config() }).await;
    let first = Session::open(&target(&bmc), HASTY).await.unwrap();
    let mut second = Session::open(&target(&bmc), HASTY).await.unwrap();
    let error = Session::open(&target(&bmc), HASTY).await.unwrap_err();
    assert!(matches!(error, Error::NoFreeSession { .. }), "{error}");
    drop(first);
    Session::open(&target(&bmc), HASTY).await.unwrap().close().await;
    bmc.faults().change(|faults| faults.dead = true);
    let cancelled = async {
        let error = second.device_id().await.unwrap_err();
        panic!("it was not cancelled: {error}");
    };
    tokio::select! { biased; () = cancelled => {}, () = tokio::task::yield_now() => {} }
    // What was sent so far was heard by nobody; the goodbye will be.
    bmc.faults().change(|faults| faults.dead = false);
    drop(second);
    Session::open(&target(&bmc), QUICK).await.unwrap().close().await;
    assert_eq!(bmc.sessions(), 0);
}

#[tokio::test]
async fn a_controller_that_does_nothing_is_found_out() {
    let (bmc, chassis) = bmc_of(config()).await;
    bmc.faults().change(|faults| (faults.ignores_power, faults.drops_boot_device) = (true, true));
    let mut session = Session::open(&target(&bmc), QUICK).await.unwrap();
    let error = session.ensure_power(true, Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, Error::Ignored { .. }), "{error}");
    let order = BootFlags { device: BootDevice::Network, uefi: false, persistent: false };
    session.set_boot_flags(order).await.unwrap();
    assert_eq!(session.boot_flags().await.unwrap(), None);
    assert_eq!(chassis.power(), chassis::Power::default());
}

#[tokio::test]
async fn a_boot_device_is_used_up_by_the_firmware_unless_it_is_persistent() {
    let (bmc, chassis) = bmc_of(config()).await;
    let mut session = Session::open(&target(&bmc), QUICK).await.unwrap();
    for persistent in [false, true] {
        let order = BootFlags { device: BootDevice::Disk, uefi: true, persistent };
        session.set_boot_flags(order).await.unwrap();
        assert_eq!(session.boot_flags().await.unwrap(), Some(order));
        assert_eq!(chassis.take_boot_device(), chassis::BootDevice::Disk);
        assert_eq!(session.boot_flags().await.unwrap(), persistent.then_some(order));
    }
}

#[tokio::test]
async fn silence_and_closed_ports_are_told_as_such() {
    let (bmc, _chassis) = bmc_of(config()).await;
    bmc.faults().change(|faults| faults.dead = true);
    let error = Session::open(&target(&bmc), HASTY).await.unwrap_err();
    assert!(matches!(error, Error::Unanswered { source: None, .. }), "{error}");
    let nobody = target(&bmc);
    let (mut bmc, closed) = (Some(bmc), HASTY);
    bmc.take();
    let error = loop {
        // The socket closes when the runtime gets to it.
        match Session::open(&nobody, closed).await.unwrap_err() {
            Error::Unanswered { source: None, .. } => {}
            error => break error,
        }
    };
    assert!(matches!(error, Error::Unanswered { source: Some(_), .. }), "{error}");
}

#[tokio::test]
async fn the_controller_says_what_it_is_and_starts_anew_on_demand() {
    let chassis = Chassis::new();
    let address = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 0));
    let bmc = SimBmc::start(address, config(), chassis).await.unwrap();
    let mut session = Session::open(&target(&bmc), HASTY).await.unwrap();
    let device = session.device_id().await.unwrap();
    assert_eq!((device.major_version, device.minor_version), (2, 0));
    assert_eq!(session.system_guid().await.unwrap().0, GUID);
    session.cold_reset().await.unwrap();
    let error = session.device_id().await.unwrap_err();
    assert!(matches!(error, Error::Unanswered { .. }), "{error}");
    assert_eq!(bmc.journal().read().cold_resets, 1);
}
