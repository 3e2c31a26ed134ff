/**
 * A client of docs/live.md in plain JavaScript, for pages and for Node.
 *     const live = new LiveClient("https://GUERDON", { key: "pk_…" }, (channel, state) => …);
 *     live.follow("b:week", 10);   // close() when the page is hidden, open() when it is seen again
 * Options: `key`, `token` (a function that gets a shopper token), `Socket` (where there is no WebSocket). `state` of a board is
 * {rows: [{rank, id, score, place, name, from}], total, win, asOf}, of "me" what `me` holds, and {error: code} when it is over.
 */
export class LiveClient {
  constructor(server, options, changed) {
    Object.assign(this, { url: server.replace(/^http/, "ws") + "/live", options, changed, ids: 0, tries: 0, channels: new Map() });
  }
  follow(ch, n = 10) {
    this.channels.set(ch, { ch, n, asking: 0, asks: 0 });
    if (this.openedAt) this.ask(this.channels.get(ch));
    else if (!this.socket) this.open();
  }
  close() {
    this.isClosed = true;
    clearTimeout(this.retry);
    clearInterval(this.timer);
    this.socket?.close(1000);
  }
  open() {
    const { key, token, Socket = WebSocket } = this.options, socket = new Socket(this.url);
    Object.assign(this, { isClosed: false, socket, openedAt: undefined, seenAt: Date.now() });
    clearInterval(this.timer);
    this.timer = setInterval(() => this.tick(), 1000);
    socket.onopen = async () => {
      const proof = this.ticket ? { resume: this.ticket } : token ? { token: await token() } : {};
      const subs = [...this.channels.values()].map((channel) => this.wish(Object.assign(channel, { asks: 0 })));
      this.send({ id: ++this.ids, connect: { v: 1, ...(key && { key }), ...proof, subs } });
    };
    socket.onmessage = ({ data }) => this.isClosed || data.split("\n").forEach((text) => this.receive(JSON.parse(text)));
    socket.onclose = ({ code }) => socket === this.socket && this.closed(code);
    socket.onerror = () => {}; // onclose follows
  }
  closed(code) {
    const { openedAt, after } = this;
    for (const name of ["socket", "openedAt", "after", "refreshAt"]) this[name] = undefined;
    if (code === 4401) this.ticket = undefined;
    const isOver = code >= 4500 && code < 4600 && code !== 4505;
    for (const ch of isOver ? this.channels.keys() : []) this.changed(ch, { error: code });
    if (isOver || this.isClosed) return this.close();
    this.tries = openedAt && Date.now() - openedAt > 30_000 ? 1 : this.tries + 1;
    const most = code === 4400 || code === 4406 || this.tries > 5 ? 30_000 : this.tries === 1 ? 3000 : 500 * 2 ** this.tries;
    const wait = after ?? (code === 4401 && this.tries === 1 ? 0 : Math.random() * most);
    this.retry = setTimeout(() => this.open(), code === 4405 ? Math.max(5000, wait) : wait);
  }
  send(message) { if (this.socket?.readyState === 1) this.socket.send(JSON.stringify(message)); }
  wish(channel) {
    const { ch, n, epoch, off, asks } = Object.assign(channel, { asking: Date.now(), asks: channel.asks + 1 });
    return ch === "me" ? { ch } : { ch, n, ...(epoch && { epoch, off }) };
  }
  ask(channel) {
    channel.asks === 3 ? this.socket?.close(1000) : this.send({ id: (channel.id = ++this.ids), sub: this.wish(channel) });
  }
  async tick() {
    if (this.socket && Date.now() - this.seenAt > 35_000) this.socket.close(1000);
    for (const channel of this.openedAt ? this.channels.values() : [])
      if (channel.asking && Date.now() - channel.asking > 10_000) this.ask(channel);
    if (!(Date.now() > this.refreshAt)) return;
    this.refreshAt = undefined;
    this.send({ id: ++this.ids, refresh: { token: await this.options.token() } });
  }
  receive({ id, ch, bye, connect, refresh, sub, err, snap, d, me, hb, ...rest }) {
    const channel = this.channels.get(ch) ?? [...this.channels.values()].find((asked) => id && asked.id === id);
    this.seenAt = Date.now();
    if (bye) this.after = bye.after;
    if (connect) Object.assign(this, { openedAt: Date.now(), ahead: connect.now - Date.now() });
    for (const late of connect ? this.channels.values() : []) if (!late.asking) this.ask(late);
    const { ticket, exp } = connect ?? refresh ?? {};
    if (ticket) Object.assign(this, { ticket, refreshAt: Date.now() + 0.8 * (exp - Date.now() - this.ahead) });
    for (const answer of connect?.subs ?? (sub ? [sub] : [])) this.answered(answer);
    if (![id, ch, bye, ...Object.keys(rest)].some((value) => value !== undefined)) this.send({}); // {} is a ping
    if (!channel) return;
    if (err) this.answered({ ch: channel.ch, err });
    if (snap && !(snap.epoch === channel.epoch && snap.off < channel.off)) this.show(channel, snap, snap.rows, snap.who);
    if (d && !channel.asking && !(d.off <= channel.off)) this.moved(channel, d);
    if (me && !(me.as_of < channel.off)) this.changed(ch, Object.assign(channel, { off: me.as_of, asking: 0, asks: 0 }) && me);
    if (hb && !channel.asking && !(channel.off >= (hb.off ?? hb.as_of))) this.ask(channel);
  }
  answered({ ch, recovered, err }) {
    const channel = this.channels.get(ch);
    if (channel && (recovered || err)) Object.assign(channel, { asking: 0, asks: 0 });
    if (channel && err?.retry) setTimeout(() => this.openedAt && this.ask(channel), err.code === 103 ? 10_000 : 2000);
    else if (err && this.channels.delete(ch)) this.changed(ch, { error: err.code });
  }
  moved(channel, d) {
    if (d.off !== channel.off + 1) return this.ask(channel);
    const gone = [...d.out, ...d.set.map(([, id]) => id)];
    const rows = channel.rows.filter(([, id]) => !gone.includes(id)).concat(d.set);
    this.show(channel, d, rows.sort((a, b) => a[0] - b[0]).slice(0, channel.n), { ...channel.who, ...d.who });
  }
  show(channel, { epoch = channel.epoch, off, n = channel.n, total, as_of, win = channel.win }, rows, known) {
    const who = Object.fromEntries(rows.map(([, id]) => [id, known[id]]));
    Object.assign(channel, { epoch, off, n, win, rows, who, asking: 0, asks: 0 });
    const named = ([rank, id, score, place]) => ({ rank, id, score, place, name: who[id][0], from: who[id][1] });
    this.changed(channel.ch, { rows: rows.map(named), total, win, asOf: as_of });
  }
}
