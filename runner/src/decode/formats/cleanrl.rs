//! CleanRL: a line per episode.
//!
//! ```text
//! global_step=824, episodic_return=[35.]
//! SPS: 1979
//! ```
//!
//! The speed has no step of its own and joins the next episode.

use super::Entry;
use crate::decode::cursor::Cursor;
use crate::decode::format::{About, Format, Line, Out};

pub(super) const ENTRY: Entry = Entry {
    about: About {
        name: "cleanrl",
        title: "CleanRL",
        example: "global_step=824, episodic_return=[35.]",
        step: "`global_step`",
    },
    begins: b"gS",
    new: || Box::new(CleanRl::default()),
};

/// The most numbers of a line.
const MOST: usize = 16;

#[derive(Default)]
struct CleanRl {
    /// There were episodes.
    known: bool,
    /// Steps per second, not yet written.
    speed: Option<f64>,
}

impl Format for CleanRl {
    fn line(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> bool {
        match line.text.first() {
            Some(b'g') => self.episode(line, out).unwrap_or(false),
            Some(b'S') if self.known => self.speed(line).is_some(),
            _ => false,
        }
    }
}

impl CleanRl {
    fn episode(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> Option<bool> {
        let mut text = Cursor::new(line.text);
        text.word(b"global_step=")?;
        let step = text.digits()?;
        let mut numbers = Vec::with_capacity(2);
        while !text.is_done() && numbers.len() < MOST {
            text.word(b",")?;
            let name = text.blanks().until(b'=')?;
            numbers.push((name, number(&mut text)?));
        }
        if !numbers.iter().any(|(name, _)| is_episodes(name)) || !text.is_done() {
            return None;
        }
        self.known = true;
        out.begin();
        for (name, value) in numbers {
            out.number(name, value);
        }
        if let Some(speed) = self.speed.take() {
            out.number(b"SPS", speed);
        }
        out.step(step);
        Some(out.end(line))
    }

    fn speed(&mut self, line: &Line<'_>) -> Option<()> {
        let mut text = Cursor::new(line.text);
        text.word(b"SPS:")?;
        let speed = text.blanks().number()?;
        self.speed = text.is_done().then_some(speed);
        self.speed.map(drop)
    }
}

fn is_episodes(name: &[u8]) -> bool {
    name.starts_with(b"episod") || name.ends_with(b"return")
}

/// `35.0`, or `[35.]` as numpy prints a list of one.
fn number(text: &mut Cursor<'_>) -> Option<f64> {
    let listed = text.word(b"[").is_some();
    let value = text.blanks().number()?;
    if listed {
        text.blanks().word(b"]")?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use crate::decode::formats::testing::{formats, records};

    #[test]
    fn episodes_and_speed() {
        let log = concat!(
            "SPS: 12\n",
            "global_step=824, episodic_return=[35.]\n",
            "SPS: 1979\n",
            "global_step=892, episodic_return=nan, episodic_length=7\n",
            "global_step=900, episode_reward=-1.5\n",
        );
        let expected = [
            "step 824: episodic_return=35",
            "step 892: episodic_return=NaN episodic_length=7 SPS=1979",
            "step 900: episode_reward=-1.5",
        ];
        assert_eq!(records(log), expected);
        assert_eq!(formats(log), ["cleanrl"]);
    }

    #[test]
    fn other_steps() {
        assert_eq!(formats("global_step=5, loss=0.5\n"), ["key-value"]);
        assert_eq!(
            records("global_step=5\nSPS: 5\nglobal_step=5, episodic_return=[\n"),
            [""; 0]
        );
    }
}
