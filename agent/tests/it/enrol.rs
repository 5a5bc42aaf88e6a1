//! From a token to a certificate.

use crate::support::bench::Bench;
use crate::support::pki::{NOW_MS, Pki};
use crate::support::web::Answer;
use hostler_agent::{BootParams, run_ramdisk};
use std::sync::Arc;
use tonic::Status;

/// The whole chain of an error, as the program prints it.
async fn refusal(bench: &Bench, params: BootParams) -> String {
    let error = run_ramdisk(bench.machine.clone(), params).await.unwrap_err();
    format!("{:#}", anyhow::Error::from(error))
}

#[tokio::test]
async fn a_machine_whose_clock_is_wrong_enrols_by_the_controllers_time() {
    let mut bench = Bench::new().await;
    let (_agent, session) = bench.ramdisk_session().await;
    assert_eq!((session.hello.arch.as_str(), session.hello.incarnation), ("x86_64", 0));
    assert_eq!(session.hello.protocol, hostler_proto::AGENT_PROTOCOL);
    assert!(*bench.machine.clock_ms.lock().unwrap() >= NOW_MS);
    let enrolments = bench.controller.state.enrolments.lock().unwrap().clone();
    assert_eq!((enrolments.len(), enrolments[0].token.as_str()), (1, "T0ken"));
}

#[tokio::test]
async fn a_ca_that_the_command_line_does_not_vouch_for_is_not_trusted() {
    let bench = Bench::new().await;
    let params = bench.params();
    bench.web.put("/ca.pem", [Answer::file(Pki::new().ca)]);
    let text = refusal(&bench, params).await;
    assert!(text.starts_with("cannot enrol: the CA certificate from http://127.0.0.1:"), "{text}");
    assert!(text.ends_with("as on the kernel command line"), "{text}");
    assert_eq!(bench.controller.state.enrolments.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_ca_that_is_not_there_is_an_error_and_one_that_is_not_there_yet_is_awaited() {
    let mut bench = Bench::new().await;
    let params = bench.params();
    bench.web.put("/ca.pem", [Answer::status("404 Not Found")]);
    let text = refusal(&bench, params).await;
    assert!(text.contains("answered 404 Not Found"), "{text}");

    let params = bench.params();
    let ca = Answer::file(bench.pki.ca.as_str());
    bench.web.put("/ca.pem", [Answer::status("503 Service Unavailable"), Answer::announcing(9999, "x"), ca]);
    let agent = run_ramdisk(bench.machine.clone(), params);
    tokio::select! {
        ended = agent => panic!("{ended:?}"),
        _session = bench.controller.welcomed() => {}
    }
}

#[tokio::test]
async fn a_file_that_is_no_certificate_is_refused_before_it_is_kept() {
    let bench = Bench::new().await;
    let params = bench.params();
    bench.web.put("/ca.pem", [Answer::unannounced(vec![b'x'; 200_000])]);
    let text = refusal(&bench, params).await;
    assert!(text.ends_with("/ca.pem is larger than 65536 bytes"), "{text}");
}

#[tokio::test]
async fn a_controller_with_a_certificate_of_another_authority_never_sees_the_token() {
    let bench = Bench::with_controller_of(Arc::new(Pki::new()), &Pki::new()).await;
    let agent = bench.ramdisk();
    // It tries again, and fails again.
    let failures = bench.controller.state.handshake_failed.acquire_many(2).await;
    failures.unwrap().forget();
    agent.cut().await;
    assert_eq!(bench.controller.state.enrolments.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_refused_token_is_the_end_and_the_words_are_kept() {
    let bench = Bench::new().await;
    let refused = Status::unauthenticated("it was used with another key");
    bench.controller.state.refusals.lock().unwrap().push_back(refused);
    let text = refusal(&bench, bench.params()).await;
    assert_eq!(text, "cannot enrol: the controller refused (Unauthenticated): it was used with another key");
    assert_eq!(bench.controller.state.enrolments.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_controller_that_is_not_ready_is_asked_again_with_the_same_key() {
    let mut bench = Bench::new().await;
    let not_ready = [Status::unavailable("starting"), Status::internal("a hiccup")];
    bench.controller.state.refusals.lock().unwrap().extend(not_ready);
    let (_agent, _session) = bench.ramdisk_session().await;
    let enrolments = bench.controller.state.enrolments.lock().unwrap().clone();
    assert_eq!(enrolments.len(), 3);
    assert!(enrolments.iter().all(|enrolment| enrolment.csr == enrolments[0].csr));
}
