//! Which kernel it is, by what lies in the file system.

use super::super::tree::Tree;
use super::{Entry, MOST_ENTRIES, Variables, Written, bls, grub, version};

/// Largest configuration file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// What a boot loader that looks at this file system would start.
pub(in super::super) fn configured(tree: &Tree) -> Option<Entry> {
    from_entries(tree).or_else(|| from_grub(tree))
}

fn from_entries(tree: &Tree) -> Option<Entry> {
    let variables = variables(tree);
    ["boot/loader/entries", "loader/entries"].into_iter().find_map(|directory| {
        let names = tree.names(directory);
        let read = |name: &String| {
            let stem = name.strip_suffix(".conf")?;
            let text = tree.read_text(&format!("{directory}/{name}"), LARGEST).ok()?;
            bls::parse(stem, &text, &variables)
        };
        let mut entries: Vec<_> = names.iter().rev().take(MOST_ENTRIES).filter_map(read).collect();
        entries.sort_by(bls::order);
        let source = format!("/{directory}");
        entries.into_iter().find_map(|entry| locate(tree, entry.written, &source))
    })
}

fn from_grub(tree: &Tree) -> Option<Entry> {
    grub_files("grub.cfg").into_iter().find_map(|path| {
        let text = tree.read_text(&path, LARGEST).ok()?;
        let source = format!("/{path}");
        grub::entries(&text).into_iter().find_map(|entry| locate(tree, entry, &source))
    })
}

fn grub_files(name: &str) -> Vec<String> {
    ["boot/grub2", "boot/grub", "grub2", "grub"].map(|directory| format!("{directory}/{name}")).into()
}

/// What entries may refer to: set in the environment that GRUB stores, or in its configuration.
fn variables(tree: &Tree) -> Variables {
    let read = |name: &str| grub_files(name).into_iter().find_map(|path| tree.read_text(&path, LARGEST).ok());
    let mut variables = read("grub.cfg").map(|text| grub::variables(&text)).unwrap_or_default();
    variables.extend(read("grubenv").map(|text| grub::environment(&text)).unwrap_or_default());
    variables
}

/// Finds the files that an entry names. Which of them are missing decides whether it can be started.
fn locate(tree: &Tree, written: Written, source: &str) -> Option<Entry> {
    let kernel = find_file(tree, &written.kernel)?;
    let initrds = written.initrds.iter().map(|path| find_file(tree, path)).collect::<Option<_>>()?;
    Some(Entry { kernel, initrds, arguments: written.arguments.join(" "), source: source.to_owned() })
}

/// A boot loader's path may begin at the file system, at the directory where that is mounted, or at the subvolume
/// above it.
fn find_file(tree: &Tree, path: &str) -> Option<String> {
    let path = path.trim_start_matches('/');
    let below = path.split_once('/').map(|(_, below)| below.to_owned());
    [Some(path.to_owned()), Some(format!("boot/{path}")), below]
        .into_iter()
        .flatten()
        .find(|path| tree.has_file(path))
}

/// The newest kernel, with the ramdisk that goes by the same version, if there is one.
pub(in super::super) fn lying_about(tree: &Tree, arguments: &str) -> Option<Entry> {
    let kernels = ["", "boot"].into_iter().flat_map(|directory| kernels_in(tree, directory));
    let (kernel, initrd) =
        kernels.max_by(|(_, _, a), (_, _, b)| version::compare(a, b)).map(|(k, i, _)| (k, i))?;
    Some(Entry {
        source: format!("/{kernel}"),
        kernel,
        initrds: initrd.into_iter().collect(),
        arguments: arguments.to_owned(),
    })
}

fn kernels_in(tree: &Tree, directory: &str) -> Vec<(String, Option<String>, String)> {
    let at = |name: String| if directory.is_empty() { name } else { format!("{directory}/{name}") };
    let kernel = |name: &String| {
        let version = name.strip_prefix("vmlinuz").or_else(|| name.strip_prefix("vmlinux"))?;
        // "vmlinuz" itself is what the distribution has last linked to the newest.
        let version = version.strip_prefix('-').or(version.is_empty().then_some(""))?;
        let initrds = if version.is_empty() {
            ["initrd.img", "initrd", "initramfs.img"].map(str::to_owned).to_vec()
        } else {
            vec![
                format!("initrd.img-{version}"),
                format!("initramfs-{version}.img"),
                format!("initrd-{version}"),
            ]
        };
        let initrd = initrds.into_iter().map(at).find(|path| tree.has_file(path));
        let kernel = at(name.clone());
        tree.has_file(&kernel).then(|| (kernel, initrd, version.to_owned()))
    };
    tree.names(directory).iter().filter_map(kernel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::deploy::tree::tests::Image;

    fn check(files: &[(&str, &str)], expected: Option<(&str, &[&str], &str)>) {
        let image = Image::new();
        for (path, text) in files {
            image.file(path, text);
        }
        let found = configured(&image.tree());
        let found = found.as_ref().map(|e| {
            (
                e.kernel.as_str(),
                e.initrds.iter().map(String::as_str).collect::<Vec<_>>(),
                e.arguments.as_str(),
            )
        });
        let expected = expected.map(|(kernel, initrds, arguments)| (kernel, initrds.to_vec(), arguments));
        assert_eq!(found, expected, "{files:?}");
    }

    #[test]
    fn the_newest_entry_whose_files_are_there() {
        let old =
            "title Old\nversion 5.14.0-9\nlinux /vmlinuz-9\ninitrd /initramfs-9.img\noptions $kernelopts";
        let new = "title New\nversion 5.14.0-10\nlinux /vmlinuz-10\ninitrd /initramfs-10.img $tuned_initrd\n\
                   options root=UUID=x ro $tuned_params quiet\n";
        let gone = "version 6.0\nlinux /vmlinuz-gone\n";
        let entries = [
            ("loader/entries/id-5.14.0-9.conf", old),
            ("loader/entries/id-5.14.0-10.conf", new),
            ("loader/entries/id-6.0.conf", gone),
            ("vmlinuz-9", "k"),
            ("initramfs-9.img", "i"),
            ("grub2/grubenv", "# GRUB Environment Block\nkernelopts=root=/dev/sda1 ro\n#####"),
        ];
        check(&entries, Some(("vmlinuz-9", &["initramfs-9.img"], "root=/dev/sda1 ro")));
        let with_new = [&entries[..], &[("vmlinuz-10", "k"), ("initramfs-10.img", "i")]].concat();
        check(&with_new, Some(("vmlinuz-10", &["initramfs-10.img"], "root=UUID=x ro quiet")));
    }

    #[test]
    fn paths_as_boot_loaders_see_them() {
        for (written, there) in [
            ("/boot/vmlinuz-1", "boot/vmlinuz-1"),
            ("/vmlinuz-1", "vmlinuz-1"),
            ("/vmlinuz-1", "boot/vmlinuz-1"),
            ("/root/boot/vmlinuz-1", "boot/vmlinuz-1"),
            ("/boot/vmlinuz-1", "vmlinuz-1"),
        ] {
            let entry = format!("linux {written}\noptions quiet");
            check(&[("boot/loader/entries/a.conf", &entry), (there, "k")], Some((there, &[], "quiet")));
        }
    }

    #[test]
    fn a_debian() {
        let grub = "set default=0\nmenuentry 'Debian' {\n\tsearch --fs-uuid --set=root x\n\
                    \tlinux /boot/vmlinuz-6.1 root=UUID=x ro console=ttyS0\n\tinitrd /boot/initrd.img-6.1\n}\n";
        let files = [("boot/grub/grub.cfg", grub), ("boot/vmlinuz-6.1", ""), ("boot/initrd.img-6.1", "")];
        let expected: (_, &[&str], _) =
            ("boot/vmlinuz-6.1", &["boot/initrd.img-6.1"], "root=UUID=x ro console=ttyS0");
        check(&files, Some(expected));
        check(&files[..1], None);
    }

    #[test]
    fn kernels_that_lie_about() {
        let image = Image::new();
        assert_eq!(lying_about(&image.tree(), "ro"), None);
        for name in
            ["vmlinuz-6.1.0-9-amd64", "initrd.img-6.1.0-9-amd64", "vmlinuz-6.1.0-10-amd64", "vmlinuzold"]
        {
            image.file(&format!("boot/{name}"), "x");
        }
        let found = lying_about(&image.tree(), "root=x").unwrap();
        assert_eq!((found.kernel.as_str(), found.initrds.len()), ("boot/vmlinuz-6.1.0-10-amd64", 0));
        image.file("boot/initramfs-6.1.0-10-amd64.img", "x");
        let found = lying_about(&image.tree(), "root=x").unwrap();
        assert_eq!(found.initrds, ["boot/initramfs-6.1.0-10-amd64.img"]);
        assert_eq!(found.arguments, "root=x");
        let image = Image::new();
        image.link("vmlinuz", "boot/vmlinuz-1");
        image.link("initrd.img", "boot/initrd.img-1");
        image.file("boot/vmlinuz-1", "x");
        image.file("boot/initrd.img-1", "x");
        assert_eq!(lying_about(&image.tree(), "").unwrap().initrds, ["boot/initrd.img-1"]);
    }
}
