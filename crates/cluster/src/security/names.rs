//! Lists of names, in which `*` at the end of one stands for anything.

/// Names and beginnings of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    whole: Vec<String>,
    beginnings: Vec<String>,
}

impl Names {
    pub(crate) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Names {
        let mut list = Names::default();
        for name in names {
            match name.strip_suffix('*') {
                Some(beginning) => list.beginnings.push(beginning.to_owned()),
                None => list.whole.push(name.to_owned()),
            }
        }
        list
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.whole.iter().any(|one| one == name)
            || self.beginnings.iter().any(|one| name.starts_with(one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_only() {
        let names = Names::new(["@login", "@room.*"].into_iter());
        for (name, has) in [
            ("@login", true),
            ("@login2", false),
            ("@room.", true),
            ("@room.7", true),
            ("@room", false),
            ("", false),
        ] {
            assert_eq!(names.has(name), has, "{name}");
        }
        assert!(Names::new(["*"].into_iter()).has(".launcher"));
        assert!(!Names::new(std::iter::empty()).has(""));
    }
}
