//! Constraints as text: what is understood, what is said of the rest, and that what is printed is understood again.

use hostler_core::constraint::{
    Attribute, Comparison, Constraint, Grouping, Kind, Likeness, MAX_BYTES, MAX_DEPTH, MAX_TERMS, Operator,
    Pattern, Value,
};
use hostler_core::lease::{LeaseSpec, Member};
use proptest::prelude::*;

/// What each text is printed as.
#[test]
fn what_is_understood() {
    for (text, printed) in [
        ("cpu.cores>=16", "cpu.cores >= 16"),
        ("cpu.processors == 8", "cpu.processors = 8"),
        ("memory >= 64GiB", "memory >= 64 GiB"),
        ("memory > 65536 MiB", "memory > 64 GiB"),
        ("disk.size >= 1.5 TB", "disk.size >= 1500 GB"),
        ("disk.size > 1000000 B", "disk.size > 1 MB"),
        ("network.speed >= 10 Gbit/s", "network.speed >= 10 Gbit"),
        ("disk.rotational = false", "disk.rotational = false"),
        ("boot.method = uefi", "boot.method = uefi"),
        ("cpu.model-name ~ 'EPYC \\d+'", "cpu.model-name ~ \"EPYC \\\\d+\""),
        ("cpu.model-name !~ EPYC", "cpu.model-name !~ \"EPYC\""),
        ("label.gpu = a100", "label.gpu = a100"),
        ("label.owner = \"the kernel team\"", "label.owner = \"the kernel team\""),
        ("hostname = \"and\"", "hostname = \"and\""),
        ("rack = r1 and not switch = s1", "rack = r1 and not switch = s1"),
        ("(rack = r1 or rack = r2) and memory > 1 GiB", "(rack = r1 or rack = r2) and memory > 1 GiB"),
        ("rack=a or (rack=b and pool=c)", "rack = a or rack = b and pool = c"),
        ("(rack=a and rack=b) and pool=c", "(rack = a and rack = b) and pool = c"),
        ("not (arch = x86_64 or arch = aarch64)", "not (arch = x86_64 or arch = aarch64)"),
    ] {
        let parsed: Constraint = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(parsed.to_string(), printed, "{text}");
    }
    for (text, printed) in [
        ("same rack", "same rack"),
        ("equal cpu.model-name", "same cpu.model-name"),
        ("different switch of b,a", "different switch of a, b"),
        ("same label.cage", "same label.cage"),
    ] {
        assert_eq!(text.parse::<Grouping>().unwrap().to_string(), printed, "{text}");
    }
}

/// The place that is wrong is what stands between `>` and `<`.
#[test]
fn what_is_not_understood_is_told_with_its_place() {
    let shown = |text: &str| {
        let error = text.parse::<Constraint>().unwrap_err();
        let (before, rest) = text.split_at(error.span.start);
        let (wrong, after) = rest.split_at(error.span.len());
        (format!("{before}>{wrong}<{after}"), error.to_string())
    };
    for (text, expected) in [
        ("", "><"),
        ("cpu.coers > 1", ">cpu.coers< > 1"),
        ("cpu.cores", "cpu.cores><"),
        ("cpu.cores >= many", "cpu.cores >= >many<"),
        ("cpu.cores ~ 16", "cpu.cores >~< 16"),
        ("memory >= 64", "memory >= >64<"),
        ("memory >= 64 and rack = a", "memory >= >64< and rack = a"),
        ("memory >= 64 Gib", "memory >= >64 Gib<"),
        ("memory >= 0.3 B", "memory >= >0.3 B<"),
        ("disk.rotational = no", "disk.rotational = >no<"),
        ("boot.method = uefy", "boot.method = >uefy<"),
        ("(rack = a", "(rack = a><"),
        ("rack = a)", "rack = a>)<"),
        ("rack = a rack = b", "rack = a >rack< = b"),
        ("rack = 'a", "rack = >'a<"),
        ("rack = a & rack = b", "rack = a >&< rack = b"),
        ("cpu.model-name ~ \"(\"", "cpu.model-name ~ >\"(\"<"),
        ("label.GPU = a", ">label.GPU< = a"),
        ("rack = ä\u{1F600}", "rack = ä>\u{1F600}<"),
    ] {
        assert_eq!(shown(text).0, expected);
    }
    let message = |text| shown(text).1;
    assert_eq!(message("cpu.coers > 1"), "there is no attribute `cpu.coers`; did you mean `cpu.cores`?");
    assert_eq!(
        message("disk.rotational > 1"),
        "`disk.rotational` cannot be compared by `>`; one of `=`, `!=`"
    );
    assert_eq!(message("boot.method = uefy"), "`uefy` is not among its values; did you mean `uefi`?");
    assert_eq!(message("memory >= 64"), "the unit is missing; expected a size such as 64 GiB");
    assert_eq!(message("memory >= 1 Gib"), "there is no unit `Gib`; did you mean `GiB`?");
    assert_eq!(
        message("(rack = a"),
        "expected `and`, `or` or `)`, found the end; the `(` at column 1 is open"
    );
    assert_eq!(message("rack = a and"), "expected an attribute such as cpu.cores, found the end");
}

#[test]
fn groupings_are_of_what_a_machine_has_one_of() {
    for (text, message) in [
        (
            "same disk.size",
            "a machine may have several values of `disk.size`; machines are compared by what each has \
          one of",
        ),
        ("sane rack", "expected `same`, `equal` or `different`, found `sane`; did you mean `same`?"),
        ("same rack of", "expected a role, found the end"),
        ("same rack, switch", "expected `of` and roles, or the end, found `,`"),
    ] {
        assert_eq!(text.parse::<Grouping>().unwrap_err().to_string(), message);
    }
}

#[test]
fn what_comes_from_outside_is_bounded() {
    let deep = |levels: usize| format!("{}rack = a{}", "(".repeat(levels), ")".repeat(levels));
    assert!(deep(MAX_DEPTH).parse::<Constraint>().is_ok());
    assert!(deep(MAX_DEPTH + 1).parse::<Constraint>().unwrap_err().message.contains("levels"));
    assert!(format!("{}rack = a", "not ".repeat(MAX_DEPTH + 1)).parse::<Constraint>().is_err());
    let long = |terms: usize| vec!["rack = a"; terms].join(" and ");
    assert!(long(MAX_TERMS).parse::<Constraint>().is_ok());
    assert!(long(MAX_TERMS + 1).parse::<Constraint>().unwrap_err().message.contains("comparisons"));
    assert!(" ".repeat(5000).parse::<Constraint>().unwrap_err().message.contains("bytes"));
    let greedy = "cpu.model-name ~ \"((a{1000}){1000}){1000}\"".parse::<Constraint>().unwrap_err();
    assert!(greedy.message.contains("no regular expression"), "{greedy}");
}

/// Whatever was accepted is loaded again, also what is only just within the bounds and longer when it is printed.
#[test]
fn what_was_accepted_is_loaded() {
    let stored = |text: String| {
        let constraint: Constraint = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(
            serde_json::from_str::<Constraint>(&serde_json::to_string(&constraint).unwrap()).unwrap(),
            constraint
        );
    };
    let nested =
        (0..MAX_DEPTH).fold("pool=a".to_owned(), |inner, _| format!("rack=a and rack=b or({inner})"));
    stored(nested.replace("or(", "or pool=b or("));
    stored(
        (0..MAX_DEPTH)
            .fold("pool=a or pool=b and pool=c".to_owned(), |inner, _| format!("rack=a and({inner})")),
    );
    stored(format!("rack='{}'", "\\".repeat(250)));
    stored(vec!["memory>1099511627777B"; MAX_TERMS].join(" and "));
    let roles: Vec<_> = (0..800).map(|i| format!("r{i}")).collect();
    let grouping: Grouping = format!("same rack of {}", roles.join(",")).parse().unwrap();
    assert!(grouping.to_string().len() > MAX_BYTES);
    assert_eq!(Grouping::try_from(grouping.to_string()).unwrap(), grouping);
}

/// A lease that was stored before there were ranges, alternatives and constraints.
#[test]
fn leases_of_the_version_before_are_understood() {
    let stored = r#"{"members": [
        {"role": "server", "count": 2, "arch": "x86_64", "pool": null, "nodes": ["a"], "image": "fedora"},
        {"role": "client", "count": 1, "arch": null, "pool": "far", "nodes": [], "image": "fedora"}
    ], "duration_ms": 1, "max_wait_ms": 2, "purpose": "", "ssh_keys": []}"#;
    let spec: LeaseSpec = serde_json::from_str(stored).unwrap();
    let [server, client] = &spec.members[..] else { panic!("two members") };
    assert_eq!((server.most(), server.arch.len(), server.constraint.as_ref()), (2, 1, None));
    assert_eq!((client.most(), client.arch.len(), spec.groupings.len()), (1, 0, 0));
    let again: LeaseSpec = serde_json::from_str(&serde_json::to_string(&spec).unwrap()).unwrap();
    assert_eq!(again, spec);
}

/// The blocks of this language in the page that explains it.
fn examples(language: &str) -> Vec<&'static str> {
    let page = include_str!("../../../../docs/requests.md");
    let fence = format!("```{language}\n");
    let blocks = page.split(fence.as_str()).skip(1);
    blocks.flat_map(|block| block.split("```").next().unwrap_or_default().lines()).collect()
}

#[test]
fn the_page_that_explains_it_is_right() {
    let (constraints, groupings) = (examples("constraint"), examples("grouping"));
    assert!(constraints.len() >= 6 && groupings.len() >= 5);
    for text in constraints {
        assert!(text.parse::<Constraint>().is_ok(), "{text}: {:?}", text.parse::<Constraint>());
    }
    for text in groupings {
        assert!(text.parse::<Grouping>().is_ok(), "{text}: {:?}", text.parse::<Grouping>());
    }
    let page = include_str!("../../../../docs/requests.md");
    for attribute in Attribute::all() {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{attribute}` |")));
        let operators: String = Operator::of(attribute.kind()).iter().map(|o| format!(" `{o}`")).collect();
        let row = row.unwrap_or_else(|| panic!("{attribute} is not in the table"));
        assert!(row.contains(&format!("|{operators} |")), "{attribute}: not{operators}: {row}");
    }
}

fn value(attribute: &Attribute, operator: Operator) -> BoxedStrategy<Value> {
    let text = "\\PC{0,12}|[a-z\\\\\"' ]{0,8}|and|or|not|of";
    match attribute.kind() {
        Kind::Count => any::<u64>().prop_map(Value::Number).boxed(),
        Kind::Bytes => (0_u64..1 << 40, 0_u32..24).prop_map(|(n, s)| Value::Number(n << s)).boxed(),
        Kind::Rate => (0_u64..1_000, 0_u32..13).prop_map(|(n, z)| Value::Number(n * 10_u64.pow(z))).boxed(),
        Kind::Flag => any::<bool>().prop_map(Value::Flag).boxed(),
        Kind::Word(words) => (0..words.len()).prop_map(|i| Value::Text(words[i].to_owned())).boxed(),
        Kind::Text if matches!(operator, Operator::Matches | Operator::MatchesNot) => text
            .prop_filter_map("no regular expression", |t| Pattern::new(&t).ok().map(Value::Pattern))
            .boxed(),
        Kind::Text => text.prop_map(Value::Text).boxed(),
    }
}

fn attribute() -> impl Strategy<Value = Attribute> {
    let named: Vec<_> = Attribute::all().collect();
    prop_oneof![
        5 => (0..named.len()).prop_map(move |i| named[i].clone()),
        1 => "[a-z0-9._-]{1,12}".prop_map(Attribute::Label),
    ]
}

fn comparison() -> impl Strategy<Value = Comparison> {
    let operator = attribute().prop_flat_map(|attribute| {
        let operators = Operator::of(attribute.kind());
        (Just(attribute), (0..operators.len()).prop_map(move |i| operators[i]))
    });
    operator.prop_flat_map(|(attribute, operator)| {
        let value = value(&attribute, operator);
        value.prop_map(move |value| Comparison { attribute: attribute.clone(), operator, value })
    })
}

fn constraint() -> impl Strategy<Value = Constraint> {
    comparison().prop_map(Constraint::Is).prop_recursive(4, 24, 4, |part| {
        prop_oneof![
            prop::collection::vec(part.clone(), 2..4).prop_map(Constraint::All),
            prop::collection::vec(part.clone(), 2..4).prop_map(Constraint::Any),
            part.prop_map(|part| Constraint::Not(Box::new(part))),
        ]
    })
}

fn grouping() -> impl Strategy<Value = Grouping> {
    let roles = prop::collection::btree_set("[a-eg-mp-z][a-z0-9_-]{0,5}", 0..3)
        .prop_filter("a word of the language", |roles| !roles.iter().any(|r| r == "and" || r == "not"));
    let attribute = attribute().prop_filter("several values", Attribute::is_single);
    (any::<bool>(), attribute, roles).prop_map(|(same, attribute, roles)| Grouping {
        likeness: if same { Likeness::Same } else { Likeness::Different },
        attribute,
        roles,
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_the_same_tree(constraint in constraint()) {
        let stored = serde_json::to_string(&constraint).unwrap();
        prop_assert_eq!(serde_json::from_str::<Constraint>(&stored).unwrap(), constraint);
    }

    #[test]
    fn what_is_printed_of_a_grouping_is_the_same(grouping in grouping()) {
        prop_assert_eq!(grouping.to_string().parse::<Grouping>().unwrap(), grouping);
    }

    /// Any text is understood or refused at a place that can be shown; what was understood is stored.
    #[test]
    fn no_text_does_harm(text in "\\PC{0,60}|([a-z.]{1,9}|[=<>!~()\"',]|cpu.cores|memory|and|or|not|same| |[0-9]{1,3}|GiB){0,30}") {
        match text.parse::<Constraint>() {
            Ok(constraint) => {
                let stored = Constraint::try_from(constraint.to_string());
                prop_assert_eq!(stored.unwrap(), constraint);
            }
            Err(error) => prop_assert!(text.get(error.span).is_some()),
        }
        if let Err(error) = text.parse::<Grouping>() {
            prop_assert!(text.get(error.span).is_some());
        }
    }

    /// The same with words that make sense more often, and a character changed.
    #[test]
    fn no_typing_error_does_harm(constraint in constraint(), at in any::<prop::sample::Index>(), with in "\\PC") {
        let mut text: Vec<char> = constraint.to_string().chars().collect();
        let place = at.index(text.len());
        text[place] = with.chars().next().unwrap_or(' ');
        let text: String = text.into_iter().collect();
        if let Err(error) = text.parse::<Constraint>() {
            prop_assert!(text.get(error.span).is_some());
        }
    }
}

/// A [`Member`] is looked up by what it asks for.
#[test]
fn members_that_ask_for_the_same_are_equal() {
    let member = |text: &str| -> Member {
        let mut member = crate::given::members("1 any").remove(0);
        member.constraint = Some(text.parse().unwrap());
        member
    };
    assert_eq!(member("memory>=1024MiB"), member("memory >= 1 GiB"));
    assert_ne!(member("hostname ~ a"), member("hostname ~ b"));
}
