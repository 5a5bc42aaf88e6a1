//! TLS to the database: whom it speaks to is made sure of.

use crate::place::is_there;
use hostler_checkout::postgres::{Options, Server, Tls};
use hostler_store::{Opened, StoreError, StoreUrl, open};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::path::{Path, PathBuf};

/// An authority, its certificate in a file.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    fn new(dir: &Path, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let (file, certificate) = (dir.join(name), params.self_signed(&key).unwrap().pem());
        std::fs::write(&file, &certificate).unwrap();
        Self { issuer: Issuer::from_ca_cert_pem(&certificate, key).unwrap(), file }
    }
}

#[test]
fn a_server_shows_a_certificate_of_the_authority_that_is_trusted() {
    let test = "a_server_shows_a_certificate_of_the_authority_that_is_trusted";
    if !is_there(test) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (trusted, other) = (Authority::new(dir.path(), "ca.pem"), Authority::new(dir.path(), "other.pem"));
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &trusted.issuer).unwrap().pem();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let tls = Tls { certificate: &certificate, key: &key.serialize_pem() };
    let server = Server::start(Options { tls: Some((port, tls)), ..Options::default() }).unwrap();
    let name = server.database().unwrap().name;

    let connect = |host: &str, authority: &Authority| {
        let roots = authority.file.display();
        let url = format!("postgres://hostler@{host}:{port}/{name}?sslmode=verify-full&sslrootcert={roots}");
        open(&StoreUrl::parse(&url, dir.path()).unwrap())
    };
    let Opened { mut store, .. } = connect("localhost", &trusted).unwrap();
    store.claim().unwrap();
    let sql = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND application_name LIKE 'hostlerd%'";
    assert_eq!(server.sql("postgres", sql).unwrap().trim(), "1");
    drop(store);

    for refused in [connect("localhost", &other), connect("127.0.0.1", &trusted)] {
        let refused = refused.err().unwrap();
        let StoreError::Unavailable { source, .. } = &refused else { panic!("{refused:?}") };
        let words = source.source().map(ToString::to_string).unwrap_or_default();
        assert!(words.contains("certificate"), "{source:?}");
    }
}
