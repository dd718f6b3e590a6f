/** What every planned action finds open when it starts: so many streams, so many of them with a minute and more to go. */
export const OPEN_STREAMS = { openCount: 100, longCount: 50 };
