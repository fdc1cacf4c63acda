//! Disks of a test's own: an ext4 in a file, whose power can be cut, and a small one that fills up.
//! Both need root and the kernel's help; where they cannot be had, the caller is told why.

use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Something mounted; unmounted when dropped.
#[derive(Debug)]
pub struct Disk {
    folder: tempfile::TempDir,
    /// The file that is the disk.
    image: Option<PathBuf>,
}

impl Disk {
    /// An empty ext4 of this many MiB in a file, through a loop device.
    pub fn ext4(mib: u64) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        std::fs::File::create(&image).unwrap().set_len(mib * 1024 * 1024).unwrap();
        run("mkfs.ext4", &["-q", "-F"], &image)?;
        Self::of_image(folder, image)
    }

    /// The disk that a power cut at this instant would leave: what has reached the file.
    pub fn as_after_a_power_cut(&self) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        std::fs::copy(self.image.as_ref().unwrap(), &image).unwrap();
        Self::of_image(folder, image)
    }

    /// A file system in memory of this many KiB.
    pub fn memory(kib: u32) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("disk");
        std::fs::create_dir(&at).unwrap();
        let size = format!("size={kib}k,mode=0755");
        run("mount", &["-t", "tmpfs", "-o", &size, "rota-test"], &at)?;
        Ok(Self { folder, image: None })
    }

    fn of_image(folder: tempfile::TempDir, image: PathBuf) -> Result<Self, String> {
        let at = folder.path().join("disk");
        std::fs::create_dir(&at).unwrap();
        run("mount", &["-o", "loop", &image.display().to_string()], &at)?;
        Ok(Self { folder, image: Some(image) })
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// Mounts it again for reading only, or for writing too.
    pub fn remount(&self, how: &str) {
        run("mount", &["-o", &format!("remount,{how}")], &self.path()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if run("umount", &[], &self.path()).is_err() {
            let _ = run("umount", &["-l"], &self.path());
        }
    }
}

/// What somebody who is not root, or a kernel without the device, is told.
#[expect(clippy::disallowed_methods, reason = "tests mount their own disks")]
fn run(program: &str, args: &[&str], at: &Path) -> Result<(), String> {
    let ran = std::process::Command::new(program)
        .args(args)
        .arg(at)
        .env("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if ran.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ran.stderr).lines().next().unwrap_or_default().to_owned();
    Err(format!("{program}: {said}"))
}
