use super::*;
use crate::samples::{authority, general_name, leaf};

fn subtree(kind: Kind, base: &[u8]) -> GeneralSubtree {
    GeneralSubtree {
        base: general_name(kind, base),
        minimum: 0,
        maximum: None,
    }
}

fn check(permitted: Option<GeneralSubtree>, excluded: Option<GeneralSubtree>, name: &GeneralName) -> Result<(), String> {
    let constraints = NameConstraints {
        permitted: permitted.map(|one| vec![one]),
        excluded: excluded.map(|one| vec![one]),
    };
    assert_eq!(check_form(&constraints), Ok(()));
    Constraints::new(&constraints).check(name.into())
}

#[test]
fn names_lie_within_subtrees() {
    for (kind, base, name, within) in [
        (Kind::DnsName, "", "a.b", true),
        (Kind::DnsName, "b", "a.B", true),
        (Kind::DnsName, "a.b", "A.b.", true),
        (Kind::DnsName, "a.b", "xa.b", false),
        (Kind::DnsName, "a.b", "b", false),
        (Kind::DnsName, ".a.b", "x.a.b", true),
        (Kind::DnsName, ".a.b", "a.b", false),
        (Kind::DnsName, "a.b", "*.a.b", true),
        (Kind::DnsName, "x.a.b", "*.a.b", false),
        (Kind::Rfc822Name, "", "u@a.b", true),
        (Kind::Rfc822Name, "a.b", "u@A.B", true),
        (Kind::Rfc822Name, "a.b", "u@x.a.b", false),
        (Kind::Rfc822Name, ".a.b", "u@x.a.b", true),
        (Kind::Rfc822Name, ".a.b", "u@a.b", false),
        (Kind::Rfc822Name, "u@a.b", "u@A.b", true),
        (Kind::Rfc822Name, "u@a.b", "U@a.b", false),
        (Kind::UniformResourceIdentifier, "a.b", "http://u@A.b:80/x", true),
        (Kind::UniformResourceIdentifier, ".a.b", "http://x.a.b", true),
        (Kind::UniformResourceIdentifier, "a.b", "http://x.a.b", false),
        (Kind::DirectoryName, "a b", "a b c", true),
        (Kind::DirectoryName, "a b", "a c", false),
        (Kind::DirectoryName, "", "a", true),
    ] {
        let outcome = check(Some(subtree(kind, base.as_bytes())), None, &general_name(kind, name.as_bytes()));
        assert_eq!(outcome.is_ok(), within, "{base} {name}: {outcome:?}");
    }
    let network = || subtree(Kind::IpAddress, &[10, 0, 0, 0, 255, 0, 0, 0]);
    for (address, within) in [(&[10, 1, 2, 3][..], true), (&[11, 1, 2, 3], false), (&[10; 16], false)] {
        assert_eq!(
            check(Some(network()), None, &general_name(Kind::IpAddress, address)).is_ok(),
            within
        );
    }
}

#[test]
fn excluded_name_rejects_a_wildcard_that_covers_it() {
    for (base, name, excluded) in [
        ("x.a.b", "*.a.b", true),
        (".a.b", "a.b", true),
        ("y.x.a.b", "*.a.b", false),
        ("c", "*.a.b", false),
    ] {
        let outcome = check(
            None,
            Some(subtree(Kind::DnsName, base.as_bytes())),
            &general_name(Kind::DnsName, name.as_bytes()),
        );
        assert_eq!(outcome.is_err(), excluded, "{base} {name}");
    }
}

#[test]
fn rejects_names_that_cannot_be_compared() {
    for (kind, name) in [
        (Kind::DnsName, "a..b"),
        (Kind::Rfc822Name, "u@v@a.b"),
        (Kind::UniformResourceIdentifier, "http://1.2.3.4/"),
        (Kind::UniformResourceIdentifier, "urn:x"),
        (Kind::IpAddress, "abc"),
    ] {
        let base = if kind == Kind::IpAddress { &[0; 8][..] } else { b"" };
        assert!(
            check(Some(subtree(kind, base)), None, &general_name(kind, name.as_bytes()))
                .is_err_and(|problem| problem.ends_with("cannot be compared with the constraints"))
        );
    }
    let other = check(
        None,
        Some(subtree(Kind::RegisteredId, &[0x2A])),
        &general_name(Kind::RegisteredId, &[0x2B]),
    );
    assert_eq!(
        other.unwrap_err(),
        "registeredID: constraints on this kind of name are not supported"
    );
}

#[test]
fn rejects_subtrees_that_cannot_contain_names() {
    for (kind, base, good) in [
        (Kind::Rfc822Name, "@b", false),
        (Kind::Rfc822Name, "a@.b", false),
        (Kind::Rfc822Name, "a@b@c", false),
        (Kind::Rfc822Name, "a..b@c", false),
        (Kind::Rfc822Name, "a b@c", false),
        (Kind::Rfc822Name, ".", false),
        (Kind::Rfc822Name, "a.b@c", true),
        (Kind::Rfc822Name, ".c", true),
        (Kind::Rfc822Name, "", true),
        (Kind::UniformResourceIdentifier, "@b", false),
        (Kind::UniformResourceIdentifier, "b:80", false),
        (Kind::UniformResourceIdentifier, "1.2.3.4", false),
        (Kind::UniformResourceIdentifier, ".b", true),
        (Kind::DnsName, "*.b", false),
        (Kind::DnsName, "b.", false),
        (Kind::DnsName, ".b", true),
    ] {
        let constraints = NameConstraints {
            permitted: None,
            excluded: Some(vec![subtree(kind, base.as_bytes())]),
        };
        assert_eq!(check_form(&constraints).is_ok(), good, "{base}");
    }
}

#[test]
fn masks_have_ones_before_zeros() {
    for (mask, good) in [
        ([255, 255, 0, 0], true),
        ([255, 254, 0, 0], true),
        ([0; 4], true),
        ([255; 4], true),
        ([255, 0, 1, 0], false),
        ([254, 128, 0, 0], false),
    ] {
        assert_eq!(is_address_range(&[&[0; 4], &mask[..]].concat()), good, "{mask:?}");
    }
    assert!(!is_address_range(&[0; 16]));
}

#[test]
fn budget_limits_names_and_subtrees() {
    let mut ca = authority("mid", "root", 1);
    ca.decoded.name_constraints = Some(NameConstraints {
        permitted: None,
        excluded: Some(vec![subtree(Kind::DnsName, b"c"); 1024]),
    });
    let mut end = leaf("end", "mid", 2);
    end.decoded.subject_alt_name = Some(vec![general_name(Kind::DnsName, b"a.b"); 1024]);
    let mut budget = Budget::new(3000);
    let mut constraints = PathConstraints::new(false);
    constraints.add(&ca, &mut budget).unwrap();
    assert_eq!(constraints.check(&end, 0, &mut budget), Ok(()));
    // Each subtree costs one item. Each name costs one item, and so does the subject. Each label after the first and each relative
    // distinguished name costs a quarter of an item.
    assert_eq!(budget.left(), 3_000_000 - 30 * (1024 + 1025 + 1025 / 4));
    let refusal = constraints.check(&end, 0, &mut budget).unwrap_err();
    assert_eq!(refusal.reason, Reason::BudgetSpent);
    assert_eq!(budget.left(), -1);
}
