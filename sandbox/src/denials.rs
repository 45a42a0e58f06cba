//! Refused calls that are told of, and answered (seccomp_unotify(2)).
//!
//! Where a policy says [`Denials::Told`](crate::Denials::Told), the filter does not refuse by itself: the caller waits, and
//! the holder of [`Child::denials`](crate::Child::denials) gets number and arguments from the kernel. It can only answer:
//! with the errno that the filter would have said, by the same tables. There is no way here to let a call go on, whose
//! arguments another thread could change once they were judged, and nothing of the caller's memory is looked at. If nobody
//! holds the listener any more, the kernel answers ENOSYS.
//!
//! Told is what is refused with an errno of [`TOLD`]. ENOSYS, EINVAL, ECHILD and EOPNOTSUPP are no denials: libraries ask,
//! are told that there is no such thing here, and do without; a report would make that slow and drown what matters.

use crate::{
    seccomp::{
        Architecture, Line, Profile,
        call::{Call, KNOWN},
        profiles,
        rule::When,
    },
    sys,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::AsFd,
    io::Errno,
};

/// What says "refused" and not "there is no such thing here".
pub const TOLD: [i32; 2] = [libc::EPERM, libc::EAFNOSUPPORT];

/// A call that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denial {
    /// The thread that made it, as the caller's pid namespace counts.
    pub thread: u32,
    /// Its number.
    pub number: u32,
    /// What was in the registers; of a call with fewer arguments, the rest is chance.
    pub arguments: [u64; 6],
}

/// Takes a call that waits at a listener, and refuses it. Where poll says that one waits this does not block; it fails with
/// ENOENT if the caller did not wait so long, or if nobody is left whom the filter holds.
pub fn answer(listener: impl AsFd) -> Result<Denial, Errno> {
    let waiting = sys::next_waiting(listener.as_fd())?;
    let denial = Denial { thread: waiting.pid, number: waiting.data.nr.unsigned_abs(), arguments: waiting.data.args };
    // One that was killed or interrupted meanwhile needs no answer, and made the call all the same.
    let _ = sys::refuse(listener.as_fd(), waiting.id, denial.errno());
    Ok(denial)
}

/// Whether somebody took a call that waits at a listener, and did not answer it. Only a signal or a freeze makes its
/// caller ask anew.
pub fn is_left_unanswered(listener: impl AsFd) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut asked = [PollFd::new(&listener, PollFlags::OUT)];
    poll(&mut asked, Some(&now)).is_ok() && asked.iter().any(|one| one.revents().contains(PollFlags::OUT))
}

impl std::fmt::Display for Denial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({}) failed with {}", self.name(), self.shown_arguments().join(", "), self.errno_name())
    }
}

impl Denial {
    /// Its name.
    pub fn name(&self) -> String {
        let known = KNOWN.iter().find(|call| call.number(Architecture::NATIVE) == Some(self.number));
        known.map_or_else(|| format!("call {}", self.number), |call| call.name.to_owned())
    }

    /// The first of its arguments in hexadecimal: those that decided, and at least three.
    pub fn shown_arguments(&self) -> Vec<String> {
        let decided = self.looked_at().iter().rposition(|argument| *argument != 0).map_or(0, |last| last + 1);
        self.arguments.iter().take(decided.max(3)).map(|argument| format!("{argument:#x}")).collect()
    }

    /// Why it is refused: of a line that allows some calls of this number, what it is for and what it keeps out.
    pub fn reason(&self) -> String {
        match self.line() {
            Some(Line { reason, justification: Some(safe), .. }) => format!("allowed only for {reason}: {safe}"),
            Some(Line { reason, .. }) => format!("refused to every program: {reason}"),
            None => "there is no such call".to_owned(),
        }
    }

    /// The errno that it failed with.
    pub fn errno(&self) -> i32 {
        match self.line() {
            Some(Line { when: When::Only(_, errno) | When::Never(errno), .. }) => *errno,
            _ => libc::ENOSYS,
        }
    }

    /// That errno's name.
    pub fn errno_name(&self) -> &'static str {
        match self.errno() {
            libc::EPERM => "EPERM",
            libc::EAFNOSUPPORT => "EAFNOSUPPORT",
            _ => "ENOSYS",
        }
    }

    /// The line that refused it: one that looks at its arguments, or else one that refuses it always.
    pub fn line(&self) -> Option<&'static Line> {
        let checked = self.lines().find(|line| matches!(line.when, When::Only(..)));
        checked.or_else(|| self.lines().find(|line| matches!(line.when, When::Never(_))))
    }

    /// The first profile for apps that would have allowed it, if any does.
    pub fn missing_profile(&self) -> Option<&'static Profile> {
        profiles::APPS.iter().copied().find(|profile| self.lines_of(profile).any(|line| line.allows(&self.arguments)))
    }

    /// Its arguments without those that no line looks at: denials of one number that agree in these have one reason.
    pub fn looked_at(&self) -> [u64; 6] {
        let mut looked_at = [0; 6];
        for check in self.lines().flat_map(Line::alternatives).copied().flatten() {
            let index = usize::from(check.argument);
            if let (Some(kept), Some(argument)) = (looked_at.get_mut(index), self.arguments.get(index)) {
                *kept = argument & 0xffff_ffff;
            }
        }
        looked_at
    }

    /// No filter has another errno for a number than this says, whatever its profiles are, where it is one of [`TOLD`].
    fn lines(&self) -> impl Iterator<Item = &'static Line> {
        profiles::ALWAYS.iter().chain(profiles::APPS).flat_map(|profile| self.lines_of(profile))
    }

    fn lines_of(&self, profile: &'static Profile) -> impl Iterator<Item = &'static Line> {
        let is_it = |call: &Call| call.number(Architecture::NATIVE) == Some(self.number);
        profile.lines.iter().filter(move |line| line.calls.iter().any(is_it))
    }
}
