//! What a `grub.cfg` says, as far as that can be known without running it.

use super::words::split;
use super::{MOST_ENTRIES, Variables, Written};

/// More than any menu has.
const MOST_VARIABLES: usize = 1000;

/// The kernels in the order in which they stand there, which is that of the menu: the first one is the default of
/// every generator of such files. Conditions are not looked at.
pub(super) fn entries(text: &str) -> Vec<Written> {
    let variables = variables(text);
    let mut entries: Vec<Written> = Vec::new();
    for line in text.lines() {
        let (command, rest) = command(line);
        match command {
            "linux" | "linux16" | "linuxefi" => {
                let mut words = split(rest, &variables).into_iter();
                let Some(kernel) = words.next() else { continue };
                if entries.len() == MOST_ENTRIES {
                    break;
                }
                entries.push(Written {
                    kernel: without_device(&kernel).to_owned(),
                    initrds: Vec::new(),
                    arguments: words.collect(),
                });
            }
            "initrd" | "initrd16" | "initrdefi" => {
                if let Some(entry) = entries.last_mut() {
                    let paths = split(rest, &variables);
                    entry.initrds = paths.iter().map(|path| without_device(path).to_owned()).collect();
                }
            }
            _ => {}
        }
    }
    entries
}

/// What is set before the menu, the last one counting.
pub(super) fn variables(text: &str) -> Variables {
    let mut variables = Variables::new();
    for line in text.lines() {
        let (command, rest) = command(line);
        if command == "set"
            && let Some((name, value)) = rest.split_once('=')
            && (variables.len() < MOST_VARIABLES || variables.contains_key(name.trim()))
        {
            let value = split(value, &variables).join(" ");
            variables.insert(name.trim().to_owned(), value.trim_matches('"').to_owned());
        }
    }
    variables
}

/// The block of variables that GRUB can store: lines, and "#" up to its size.
pub(super) fn environment(text: &str) -> Variables {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn command(line: &str) -> (&str, &str) {
    let line = line.trim();
    line.split_once(char::is_whitespace).unwrap_or((line, ""))
}

/// "(hd0,gpt2)/vmlinuz" and "($root)/vmlinuz" name the file system as well.
fn without_device(path: &str) -> &str {
    match path.strip_prefix('(').and_then(|path| path.split_once(')')) {
        Some((_, path)) => path,
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(kernel: &str, initrds: &[&str], arguments: &[&str]) -> Written {
        let own = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Written { kernel: kernel.to_owned(), initrds: own(initrds), arguments: own(arguments) }
    }

    #[test]
    fn menus() {
        let cases = [
            ("set x=1\nmenuentry 'A' {\n  true\n}\n", vec![]),
            (
                "menuentry 'Ubuntu' --class os {\n\tgfxmode $linux_gfx_mode\n\tif [ x = y ]; then\n\
                 \tlinux\t/boot/vmlinuz-5.15 root=LABEL=cloudimg-rootfs ro  console=tty1 ${vt_handoff}\n\
                 \tinitrd\t/boot/initrd.img-5.15\n}\nsubmenu 'More' {\n  linux /boot/vmlinuz-5.10 single\n}",
                vec![
                    written(
                        "/boot/vmlinuz-5.15",
                        &["/boot/initrd.img-5.15"],
                        &["root=LABEL=cloudimg-rootfs", "ro", "console=tty1"],
                    ),
                    written("/boot/vmlinuz-5.10", &[], &["single"]),
                ],
            ),
            (
                "set default_kernelopts=\"root=/dev/vda ro\"\nset prefix=($root)/grub\n\
                 linuxefi ($root)/vmlinuz $default_kernelopts \"dyndbg=file a +p\" ''\n\
                 initrdefi (hd0,gpt2)/early (hd0,gpt2)/initrd\n",
                vec![written(
                    "/vmlinuz",
                    &["/early", "/initrd"],
                    &["root=/dev/vda", "ro", "\"dyndbg=file a +p\""],
                )],
            ),
            ("initrd /without-kernel\nlinux\nlinux16 /k", vec![written("/k", &[], &[])]),
        ];
        for (text, expected) in cases {
            assert_eq!(entries(text), expected, "{text}");
        }
    }

    #[test]
    fn a_menu_does_not_grow_without_bound() {
        let mut text = "set v0=0123456789abcdef\n".to_owned();
        for n in 1..2000 {
            text += &format!("set v{n}=$v{0}$v{0}\nlinux /k $v{n}\n", n - 1);
        }
        assert_eq!(variables(&text).len(), MOST_VARIABLES);
        assert_eq!(entries(&text).len(), MOST_ENTRIES);
    }

    #[test]
    fn a_stored_environment() {
        let text =
            "# GRUB Environment Block\nsaved_entry=id-5.14\nkernelopts=root=UUID=x ro \nboot_success=0\n####";
        let variables = environment(text);
        assert_eq!(variables["kernelopts"], "root=UUID=x ro ");
        assert_eq!(variables.len(), 3);
    }

    proptest! {
        #[test]
        fn any_text_is_a_menu(text: String, line in "(linux|initrd|set) [a$={}'\" ()]{0,30}") {
            let _ = entries(&text);
            let _ = entries(&format!("linux /k\n{line}\n{line}"));
        }
    }
}
