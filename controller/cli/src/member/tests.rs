//! What is understood, what is said of the rest, and that what is printed is understood again.

use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Result<MemberRequest, Diagnostic> {
    Parser::new("member 1", text).asked().map(|asked| asked.request)
}

fn member(role: &str, count: u32, arch: &str) -> MemberRequest {
    MemberRequest { role: role.to_owned(), count, arch: arch.to_owned(), ..Default::default() }
}

#[test]
fn what_is_understood() {
    let full = MemberRequest {
        pool: "fast".to_owned(),
        image: "fedora-42".to_owned(),
        nodes: vec!["a".to_owned(), "b".to_owned()],
        ..member("server", 2, "aarch64")
    };
    let cases = [
        ("2", member("", 2, "")),
        ("2:any", member("", 2, "")),
        ("2:x86_64", member("", 2, "x86_64")),
        ("2xx86_64", member("", 2, "x86_64")),
        ("server=1xaarch64", member("server", 1, "aarch64")),
        ("2:x86_64|aarch64", member("", 2, "x86_64|aarch64")),
        ("1..4", MemberRequest { at_most: 4, ..member("", 1, "") }),
        (
            "a=1 where cpu.cores >= 16, or so",
            MemberRequest { constraint: "cpu.cores >= 16, or so".to_owned(), ..member("a", 1, "") },
        ),
        ("server=2:aarch64,pool=fast,image=fedora-42,nodes=a+b", full.clone()),
        ("server=2:aarch64,nodes=a+b,image=fedora-42,pool=fast", full),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn what_is_not_understood_is_shown_with_a_hint() {
    let texts = [
        "2x86_64",
        "server=2xx86-64",
        "server=x86_64",
        "server=0",
        "=2",
        "",
        "image=fedora",
        "2-x86_64",
        "2:x86_64,poll=fast",
        "2,pool=",
        "2,",
        "2,pool=a,pool=b",
        "2,nodes=a++b",
        "2,nodes=a+a",
        "99999999999",
        "4..1",
        "1..",
        "1:x86_64|arch64",
        "1,cpu.cores>=16",
        "1 where ",
    ];
    let shown: Vec<_> = texts.iter().map(|text| parse(text).unwrap_err().to_string()).collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    `:` is missing between the count and `x86_64`
     --> member 1, column 2
      |
      | 2x86_64
      |  ^^^^^^
      = hint: write 2:x86_64
    unknown architecture `x86-64`
     --> member 1, column 10
      |
      | server=2xx86-64
      |          ^^^^^^
      = hint: did you mean `x86_64`?
    expected the number of nodes
     --> member 1, column 8
      |
      | server=x86_64
      |        ^^^^^^
      = hint: write 1:x86_64 for one node
    a member has at least one node
     --> member 1, column 8
      |
      | server=0
      |        ^
    the role before `=` is empty
     --> member 1, column 1
      |
      | =2
      | ^
      = hint: write it as [ROLE=]COUNT[:ARCH][,pool=P][,image=I][,nodes=A+B][ where CONSTRAINT], for example server=2:x86_64
    expected the number of nodes
     --> member 1, column 1
      = hint: write it as [ROLE=]COUNT[:ARCH][,pool=P][,image=I][,nodes=A+B][ where CONSTRAINT], for example server=2:x86_64
    expected the number of nodes
     --> member 1, column 7
      |
      | image=fedora
      |       ^^^^^^
      = hint: the count comes first: 1,image=fedora
    `:` is missing between the count and `-x86_64`
     --> member 1, column 2
      |
      | 2-x86_64
      |  ^^^^^^^
      = hint: write 2:x86_64
    unknown setting `poll`
     --> member 1, column 10
      |
      | 2:x86_64,poll=fast
      |          ^^^^
      = hint: did you mean `pool`?
    `pool` has no value
     --> member 1, column 3
      |
      | 2,pool=
      |   ^^^^
    expected pool=, image= or nodes=
     --> member 1, column 3
      |
      | 2,
      |   ^
      = hint: there is a comma too many
    `pool` is given twice
     --> member 1, column 10
      |
      | 2,pool=a,pool=b
      |          ^^^^
    a node name is empty
     --> member 1, column 11
      |
      | 2,nodes=a++b
      |           ^
      = hint: names are separated by one `+`: nodes=a+b
    node `a` is named twice
     --> member 1, column 11
      |
      | 2,nodes=a+a
      |           ^
    the count is too large
     --> member 1, column 1
      |
      | 99999999999
      | ^^^^^^^^^^^
    the range ends before it begins
     --> member 1, column 1
      |
      | 4..1
      | ^^^^
      = hint: write 1..4
    expected a number of nodes, or a range
     --> member 1, column 1
      |
      | 1..
      | ^^^
      = hint: for example 2 or 1..4
    unknown architecture `arch64`
     --> member 1, column 10
      |
      | 1:x86_64|arch64
      |          ^^^^^^
      = hint: did you mean `aarch64`?
    unknown setting `cpu.cores>`
     --> member 1, column 3
      |
      | 1,cpu.cores>=16
      |   ^^^^^^^^^^
      = hint: constraints stand behind `where`: 2:x86_64 where cpu.cores>=16
    expected a constraint behind `where`
     --> member 1, column 9
      |
      | 1 where 
      |         ^
      = hint: for example: where cpu.cores >= 16 and memory >= 64 GiB
    ");
}

#[test]
fn roles_are_unique() {
    let texts = ["1:x86_64", "server=1", "2:aarch64"].map(str::to_owned);
    let errors = parse_all(&texts).unwrap_err();
    insta::assert_snapshot!(errors[0], @r"
    member 1 has the role `node` already
     --> member 3, column 1
      |
      | 2:aarch64
      | ^^^^^^^^^
      = hint: give each member its own role: server=1:x86_64 client=1:aarch64
    ");
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_explained(text in "\\PC{0,40}|[a-z0-9=:x,+_]{0,40}") {
        if let Err(error) = parse(&text) {
            prop_assert!(error.to_string().contains("--> member 1, column "));
        }
    }

    #[test]
    fn what_is_printed_is_understood(
        role in "[a-z]{1,8}",
        (count, more) in (1u32..1000, 0u32..3),
        arch in "(x86_64|x86_64\\|aarch64|ppc64le)?",
        pool in "[a-z]{0,8}",
        constraint in "(cpu\\.cores >= [1-9]|rack = [a-z]{1,3})?",
    ) {
        let at_most = if more == 0 { 0 } else { count + more };
        let request = MemberRequest { pool, at_most, constraint, ..member(&role, count, &arch) };
        let read = parse(&crate::render::lease::member(&request.clone().into())).unwrap();
        let role = effective_role(&request.role);
        prop_assert_eq!(effective_role(&read.role), role);
        prop_assert_eq!(MemberRequest { role: role.to_owned(), ..read }, MemberRequest { role: role.to_owned(), ..request });
    }
}
