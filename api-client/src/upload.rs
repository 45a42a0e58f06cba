//! What a request carries: nothing, or a bundle read piece by piece.

use hyper::body::{Body, Bytes, Frame, SizeHint};
use std::{
    io::{self, Read},
    pin::Pin,
    task::{Context, Poll},
};

/// A request's body.
#[derive(Default)]
pub struct Upload {
    source: Option<Source>,
    left: u64,
}

struct Source {
    reader: Box<dyn Read + Send>,
    /// Told the bytes sent so far.
    progress: Box<dyn FnMut(u64) + Send>,
    sent: u64,
}

impl Upload {
    /// `size` bytes from `reader`; `progress` is told how many have been handed to the connection.
    pub fn new(reader: impl Read + Send + 'static, size: u64, progress: impl FnMut(u64) + Send + 'static) -> Self {
        Self { source: Some(Source { reader: Box::new(reader), progress: Box::new(progress), sent: 0 }), left: size }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Self { source, left } = &mut *self;
        let Some(source) = source.as_mut().filter(|_| *left > 0) else { return Poll::Ready(None) };
        // Reading blocks this thread, which has nothing else to do: it runs one call at a time.
        let mut piece = vec![0; usize::try_from(*left).unwrap_or(PIECE).min(PIECE)];
        let result = source.reader.read(&mut piece).and_then(|count| match count {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("the bundle ends {left} bytes early"))),
            count => Ok(count),
        });
        Poll::Ready(Some(result.map(|count| {
            piece.truncate(count);
            source.sent += count as u64;
            (source.progress)(source.sent);
            *left -= count as u64;
            Frame::data(Bytes::from(piece))
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Bytes that are read at a time.
const PIECE: usize = 64 * 1024;
