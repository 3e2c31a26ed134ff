const css = String.raw; // for editors; the build takes it away

export const leaderboardStyles = css`
  .card {
    container-type: inline-size;
    overflow: clip;
    background: var(--g-surface);
    border: 1px solid var(--g-border);
    border-radius: var(--g-radius);
  }
  header {
    display: grid;
    grid-template-columns: 1fr auto;
    grid-template-rows: 32px 24px;
    gap: 2px 12px;
    align-items: center;
    padding: 12px 16px;
    border-bottom: 1px solid var(--g-border);
  }
  .title,
  .ends,
  .name,
  .gap {
    white-space: nowrap;
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .pause,
  .place,
  .avatar,
  .badge {
    display: grid;
    place-items: center;
  }
  .state,
  .state span,
  .who,
  .words {
    display: inline-flex;
    gap: 6px;
    align-items: center;
    min-width: 0;
  }
  .title {
    font-size: 1.125rem;
    line-height: 1.33;
    font-weight: 600;
    letter-spacing: -0.015em;
  }
  .pause {
    justify-self: end;
    width: 32px;
    height: 32px;
    padding: 0;
    border: 1px solid var(--g-border);
    border-radius: calc(var(--g-radius) * 0.67);
    background: var(--g-surface);
    color: var(--g-text-2);
  }
  .caption,
  .foot {
    color: var(--g-muted);
  }
  .caption,
  .foot,
  .state,
  .place {
    font-size: 0.8125rem;
  }
  .caption {
    display: flex;
    gap: 6px;
    min-width: 0;
    white-space: nowrap;
    overflow: hidden;
  }
  .state {
    justify-self: end;
    font-weight: 500;
    white-space: nowrap;
  }
  .wide {
    grid-column: 1 / -1;
    justify-self: stretch;
    justify-content: space-between;
  }
  .live {
    color: var(--g-positive);
  }
  .dot {
    width: 8px;
    height: 8px;
    border-radius: 50%;
    background: currentColor;
    outline: 3px solid var(--g-positive-soft);
  }
  .paused,
  .loading {
    color: var(--g-muted);
  }
  .reconnecting,
  .offline {
    color: var(--g-warning);
  }

  .rows {
    position: relative;
    overflow: clip;
    height: var(--height);
    padding: 0;
    list-style: none;
  }
  [data-y] {
    position: absolute;
    inset-inline: 0;
    top: 0;
    transform: translateY(var(--y, 0));
  }
  .row {
    height: 50px;
    display: grid;
    grid-template-columns: 34px 34px 32px minmax(0, 1fr) auto;
    gap: 8px;
    align-items: center;
    padding-inline: 12px 16px;
    background: var(--g-surface);
  }
  .row::after {
    content: "";
    position: absolute;
    bottom: 0;
    inset-inline: 16px;
    height: 1px;
    background: var(--g-border);
  }
  .rows > :last-child::after {
    content: none;
  }
  .place {
    position: relative;
    height: 34px;
    color: var(--g-text-2);
    font-weight: 500;
    white-space: nowrap;
  }
  .wreath {
    position: absolute;
    inset: 0;
  }
  .place b {
    color: var(--g-text);
    font-weight: 600;
  }
  .p1 {
    color: var(--g-gold);
  }
  .p2 {
    color: var(--g-silver);
  }
  .p3 {
    color: var(--g-bronze);
  }
  .move,
  .avatar,
  .gap,
  .tag {
    font-size: 0.75rem;
  }
  .move {
    display: inline-flex;
    gap: 2px;
    place-content: center;
    align-items: center;
    color: var(--g-muted);
    font-weight: 500;
  }
  .move .icon {
    stroke-width: 2;
  }
  .rose {
    color: var(--g-positive);
  }
  .fell {
    color: var(--g-negative);
  }
  .avatar {
    width: 32px;
    height: 32px;
    border-radius: 50%;
    background: var(--g-sunken);
    color: var(--g-text-2);
    font-weight: 600;
  }
  .who {
    max-width: 100%;
    vertical-align: top;
  }
  .name {
    font-weight: 500;
  }
  .score {
    font-size: 0.9375rem;
    font-weight: 600;
    white-space: nowrap;
  }
  .mine {
    height: 62px;
    margin-inline: 6px;
    padding-inline: 6px 10px;
    border: 1.5px solid var(--g-accent-text);
    border-radius: calc(var(--g-radius) * 0.67);
    background: var(--g-accent-soft);
    --g-muted: var(--g-text-2);
    z-index: 2;
  }
  .mine::after {
    content: none;
  }
  .mine .avatar {
    background: var(--g-accent);
    color: var(--g-on-accent);
  }
  .gap {
    display: block;
    color: var(--g-text-2);
    line-height: 1.33;
  }
  .tag {
    flex: none;
    padding: 0 7px;
    border-radius: 6px;
    background: var(--g-accent);
    color: var(--g-on-accent);
    line-height: 20px;
    font-weight: 500;
  }
  .cut {
    inset-inline: 16px;
    border-top: 1px dashed var(--g-muted);
    z-index: 1;
  }

  i {
    color: transparent;
    height: 12px;
    border-radius: 16px;
    background: var(--g-sunken);
  }

  .message {
    position: absolute;
    inset: 0;
    display: flex;
    flex-direction: column;
    gap: 8px;
    align-items: center;
    justify-content: center;
    padding: 16px 24px;
    text-align: center;
    color: var(--g-text-2);
  }
  .badge {
    width: 44px;
    height: 44px;
    border-radius: 50%;
    background: var(--g-accent-soft);
    color: var(--g-accent-text);
    font-size: 1.125rem;
  }
  strong {
    color: var(--g-text);
    font-size: 0.9375rem;
    font-weight: 600;
  }

  .foot {
    display: flex;
    gap: 8px;
    align-items: center;
    justify-content: space-between;
    min-height: 44px;
    padding: 3px 16px;
    border-top: 1px solid var(--g-border);
  }
  .words span {
    min-width: 0;
    overflow-wrap: anywhere;
  }

  /* Of the room inside the border of 1 px: cards below 360 and below 300 px. */
  @container (max-width: 357.98px) {
    .dates {
      display: none;
    }
    .row {
      grid-template-columns: 34px 30px 32px minmax(0, 1fr) auto;
      padding-inline: 8px 12px;
    }
    .mine {
      padding-inline: 2px 6px;
    }
  }
  @container (max-width: 297.98px) {
    .row {
      grid-template-columns: 34px minmax(0, 1fr) auto;
    }
    .move {
      position: absolute;
      clip-path: inset(50%);
    }
    .avatar {
      display: none;
    }
  }
  @media (forced-colors: active) {
    .mine,
    .tag {
      border: 2px solid Highlight;
    }
  }
`;
