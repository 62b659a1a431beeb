//! The few lines of shell that stand between us and the command: they lower the limits of the
//! process, close what it should not hold, and become the command.

use std::path::Path;

use super::Limits;

/// The first bytes on stderr once the limits are set; without them nothing of the command ran.
pub(super) const MARK: &[u8] = b"engraft: started\n";

/// The shell with its arguments, before those of the command. `bash` where there is one: only it can
/// close descriptors above 9, which whoever started us may have left open.
pub(super) fn shell(limits: &Limits) -> Vec<String> {
    let bash = "/bin/bash";
    let mut arguments: Vec<String> = if Path::new(bash).exists() {
        [bash, "--norc", "--noprofile", "--posix"]
            .map(String::from)
            .into()
    } else {
        vec!["/bin/sh".to_owned()]
    };
    arguments.extend(["-c".to_owned(), script(limits), "command".to_owned()]);
    arguments
}

/// A limit that is already lower than ours cannot be raised and stays: hence the `|| :`. Older
/// kernels count all processes of the user against `-u`; there it is left alone.
fn script(limits: &Limits) -> String {
    let kilobytes = limits.address_space / 1024;
    // POSIX counts the size of files in blocks of 512 bytes.
    let blocks = limits.file / 512;
    let threads = limits.threads();
    let processes = if counts_in_sandbox() {
        format!("ulimit -u {threads} 2>/dev/null || ulimit -p {threads} 2>/dev/null || :\n")
    } else {
        String::new()
    };
    format!(
        r#"for descriptor in /proc/self/fd/*; do
    descriptor=${{descriptor##*/}}
    case $descriptor in
        0|1|2) ;;
        [3-9]|[1-9][0-9]*) if [ -n "$BASH" ] || [ "$descriptor" -lt 10 ]; then eval "exec $descriptor>&-"; fi ;;
    esac
done
ulimit -c 0 2>/dev/null || :
ulimit -v {kilobytes} 2>/dev/null || :
ulimit -f {blocks} 2>/dev/null || :
{processes}printf 'engraft: started\n' >&2
exec "$@" </dev/null
"#
    )
}

/// Since Linux 5.14 a sandbox's processes are counted by themselves.
fn counts_in_sandbox() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    is_since_5_14(&release)
}

fn is_since_5_14(release: &str) -> bool {
    let mut numbers = release
        .split(|letter: char| !letter.is_ascii_digit())
        .map(|number| number.parse().unwrap_or(0u32));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (5, 14)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_number() {
        assert!(is_since_5_14("5.14.0-362.el9"));
        assert!(is_since_5_14("6.1.0"));
        assert!(!is_since_5_14("5.4.0-150-generic"));
        assert!(!is_since_5_14(""));
    }
}
