const css = String.raw;

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
  .title {
    font-size: 1.125rem;
    line-height: 1.33;
    font-weight: 600;
    letter-spacing: -0.015em;
    white-space: nowrap;
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .pause {
    display: grid;
    place-items: center;
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
    font-size: 0.8125rem;
  }
  .caption {
    display: flex;
    gap: 6px;
    min-width: 0;
    white-space: nowrap;
    overflow: hidden;
  }
  .caption .ends {
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .state {
    justify-self: end;
    display: inline-flex;
    gap: 6px;
    align-items: center;
    font-size: 0.8125rem;
    font-weight: 500;
    white-space: nowrap;
  }
  .state.wide {
    grid-column: 1 / -1;
    justify-self: stretch;
    justify-content: space-between;
  }
  .state .words {
    display: inline-flex;
    gap: 6px;
    align-items: center;
  }
  .live {
    color: var(--g-positive);
  }
  .live .dot {
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
  .row {
    position: absolute;
    inset-inline: 0;
    top: 0;
    height: 50px;
    transform: translateY(var(--y, 0));
    display: grid;
    grid-template-columns: 34px 34px 32px minmax(0, 1fr) auto;
    gap: 8px;
    align-items: center;
    padding-inline: 12px 16px;
    background: var(--g-surface);
    font-variant-numeric: tabular-nums lining-nums;
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
    display: grid;
    place-items: center;
    height: 34px;
    color: var(--g-text-2);
    font-size: 0.8125rem;
    font-weight: 500;
    white-space: nowrap;
  }
  .place .wreath {
    position: absolute;
    inset: 0;
  }
  .place b {
    color: var(--g-text);
    font-weight: 600;
  }
  .p1 .wreath {
    color: var(--g-gold);
  }
  .p2 .wreath {
    color: var(--g-silver);
  }
  .p3 .wreath {
    color: var(--g-bronze);
  }
  .move {
    display: inline-flex;
    gap: 2px;
    place-content: center;
    align-items: center;
    color: var(--g-muted);
    font-size: 0.75rem;
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
    display: grid;
    place-items: center;
    width: 32px;
    height: 32px;
    border-radius: 50%;
    background: var(--g-sunken);
    color: var(--g-text-2);
    font-size: 0.75rem;
    font-weight: 600;
  }
  .who {
    display: flex;
    gap: 6px;
    align-items: center;
    min-width: 0;
  }
  .name {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
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
    z-index: 2;
  }
  .mine::after {
    content: none;
  }
  .mine .avatar {
    background: var(--g-accent);
    color: var(--g-on-accent);
  }
  .mine .place,
  .mine .move,
  .gap {
    color: var(--g-text-2);
  }
  .mine .rose {
    color: var(--g-positive);
  }
  .mine .fell {
    color: var(--g-negative);
  }
  .gap {
    display: block;
    font-size: 0.75rem;
    line-height: 1.33;
    font-weight: 400;
    white-space: nowrap;
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .tag {
    flex: none;
    padding: 0 7px;
    border-radius: 6px;
    background: var(--g-accent);
    color: var(--g-on-accent);
    font-size: 0.75rem;
    line-height: 20px;
    font-weight: 500;
  }
  .cut {
    position: absolute;
    inset-inline: 16px;
    top: 0;
    height: 0;
    transform: translateY(var(--y, 0));
    border-top: 1px dashed var(--g-muted);
    z-index: 1;
  }

  i {
    color: transparent;
    height: 12px;
    border-radius: 16px;
    background: var(--g-sunken);
  }
  i.avatar {
    height: 32px;
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
  .message .badge {
    display: grid;
    place-items: center;
    width: 44px;
    height: 44px;
    border-radius: 50%;
    background: var(--g-accent-soft);
    color: var(--g-accent-text);
    font-size: 1.125rem;
  }
  .message strong {
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
  .foot .words {
    display: inline-flex;
    gap: 6px;
    align-items: center;
    min-width: 0;
  }
  .foot .words span {
    min-width: 0;
    overflow-wrap: anywhere;
  }

  @container (max-width: 359.98px) {
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
  @container (max-width: 299.98px) {
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
