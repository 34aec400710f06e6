// A request that a change waits for ends after this time: until then nothing can be sent.
export const CHANGE_TIMEOUT_MS = 20_000;

// Orders what happens to a form: a change of it waits for the one before and for the submission that is being sent.
export class FormTurns {
  #lastChange = Promise.resolve();
  #pendingChanges = 0;
  #sending = Promise.resolve(true); // whether the submission that is being sent was accepted
  #resolveSending = () => {};

  get isChanging() {
    return this.#pendingChanges > 0;
  }

  // Runs a change that waits for the server. After a submission that was not accepted, the form stays with its errors.
  change(work) {
    this.#pendingChanges += 1;
    const change = this.#lastChange
      .then(() => this.#sending)
      .then((isAccepted) => isAccepted && work())
      .finally(() => {
        this.#pendingChanges -= 1;
      });
    this.#lastChange = change.catch(() => {});
    return change;
  }

  startSending() {
    this.#sending = new Promise((resolve) => {
      this.#resolveSending = resolve;
    });
  }

  endSending(isAccepted) {
    this.#resolveSending(isAccepted);
    this.#sending = Promise.resolve(true);
  }
}
