use super::*;
use std::os::unix::fs::PermissionsExt as _;

fn parse(text: &str) -> Result<StoreUrl, String> {
    StoreUrl::parse(text, Path::new("/etc/hostler")).map_err(|e| e.to_string())
}

fn postgres(text: &str) -> PostgresUrl {
    match parse(text).unwrap() {
        StoreUrl::Postgres(url) => *url,
        StoreUrl::Sqlite(path) => panic!("{}", path.display()),
    }
}

#[test]
fn urls_and_what_is_shown_of_them() {
    let table = [
        ("sqlite:///var/lib/hostler/state.db", "sqlite:///var/lib/hostler/state.db"),
        ("sqlite:state.db", "sqlite:///etc/hostler/state.db"),
        ("postgres://ada@localhost/lab", "postgres://ada@localhost:5432/lab"),
        ("postgresql://ada:s3cret@[::1]:7/lab", "postgres://ada@::1:7/lab"),
        ("postgres://ada:s3cret@db/lab?sslmode=disable", "postgres://ada@db:5432/lab"),
        ("postgres://ada@%2Frun%2Fpg/lab", "postgres://ada@/lab?host=/run/pg&port=5432"),
        ("postgres://ada@/lab?host=/run/pg&port=6", "postgres://ada@/lab?host=/run/pg&port=6"),
    ];
    for (text, shown) in table {
        assert_eq!(parse(text).unwrap().to_string(), shown, "{text}");
    }
}

#[test]
fn mistakes_are_told_in_words() {
    let table = [
        ("state.db", "a store is named by"),
        ("mysql://db/x", "a store is named by"),
        ("sqlite://state.db", "three slashes"),
        ("postgres://ada@db/lab", "on another host: say sslmode=verify-full"),
        ("postgres://ada@db/lab?sslmode=require", "does not make sure whom it speaks to"),
        ("postgres://ada@db/lab?sslmode=verify-full", "wants sslrootcert=FILE"),
        ("postgres://ada@db/lab?sslmode=maybe", "verify-full or disable"),
        ("postgres://ada@localhost/lab?sslcert=x", "sslcert is not supported"),
        ("postgres://ada@localhost:port/lab", "not valid"),
        ("postgres://ada@localhost/lab?colour=red", "not valid"),
    ];
    for (text, words) in table {
        let told = parse(text).unwrap_err();
        assert!(told.contains(words), "{text}: {told}");
    }
}

#[test]
fn invariant_9_a_password_is_neither_shown_nor_told() {
    for text in ["postgres://ada:s3cret@localhost/lab", "postgres://ada:s3cret@localhost:x/lab", "ada:s3cret"]
    {
        let told = match parse(text) {
            Ok(url) => format!("{url} {url:?}"),
            Err(error) => error,
        };
        assert!(!told.contains("s3cret"), "{told}");
    }
    assert_eq!(postgres("postgres://ada:s3cret@localhost/lab").config.get_password(), Some(&b"s3cret"[..]));
}

#[test]
fn invariant_9_a_url_is_handed_on_without_its_password() {
    let table = [
        (
            "postgres://ada:s3:c/r?et@db:7/lab?sslmode=disable",
            "postgres://ada@db:7/lab?sslmode=disable",
            true,
        ),
        (
            "postgres://ada@/lab?host=/run/pg&password=s3cret&port=6",
            "postgres://ada@/lab?host=/run/pg&port=6",
            true,
        ),
        ("postgres:///lab?password=s3cret", "postgres:///lab", true),
        ("postgresql://:s3cret@db", "postgresql://db", true),
        ("postgres://ada@[::1]:7/lab?passfile=/p", "postgres://ada@[::1]:7/lab?passfile=/p", false),
        ("postgres://db:7/lab", "postgres://db:7/lab", false),
    ];
    for (url, left, had_one) in table {
        assert_eq!(without_password(url), (left.to_owned(), had_one), "{url}");
    }
}

#[test]
fn a_password_file_is_read_as_libpq_does() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pass");
    let lines = "# comment\nother:5432:lab:ada:wrong\nlocalhost:*:lab:ada:a\\:b:c\n*:*:*:*:last\n";
    std::fs::write(&path, lines).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let password = |url: &str| {
        let url = postgres(&format!("{url}passfile={}", path.display()));
        String::from_utf8(url.config.get_password().unwrap().to_vec()).unwrap()
    };
    assert_eq!(password("postgres://ada@localhost/lab?"), "a:b:c");
    assert_eq!(password("postgres://ada@/lab?host=/run/pg&"), "a:b:c", "a socket is localhost");
    assert_eq!(password("postgres://bob@localhost/lab?"), "last");
    assert_eq!(password("postgres://ada:url@localhost/lab?"), "url", "what the URL says goes first");

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let told = parse(&format!("postgres://ada@localhost/lab?passfile={}", path.display())).unwrap_err();
    assert!(told.contains("others may read") && told.contains("chmod 600"), "{told}");
}
