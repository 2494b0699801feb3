// The page: a bar to sign in and out, and GraphiQL under it.

import 'graphiql/setup-workers/vite';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { useEffect, useMemo, useState } from 'react';
import { createRoot } from 'react-dom/client';
import 'graphiql/style.css';
import { EXAMPLES_PLUGIN } from './examples.jsx';
import { createFetcher } from './fetcher.js';
import * as sessions from './session.js';
import './style.css';

const PLUGINS = [EXAMPLES_PLUGIN, HISTORY_PLUGIN];

function SignIn({ onSession, notice }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState('');

  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setProblem('');
    try {
      onSession(await sessions.signIn(form.get('username'), form.get('password')));
    } catch (error) {
      setProblem(error.message);
      setBusy(false);
    }
  };

  return (
    <form className="sign-in" onSubmit={submit}>
      <span role="status">{problem || notice}</span>
      <input name="username" aria-label="Username" placeholder="Username" autoComplete="username" required />
      <input name="password" aria-label="Password" placeholder="Password" type="password" autoComplete="current-password" required />
      <button type="submit" disabled={busy}>
        Sign in
      </button>
    </form>
  );
}

function Page() {
  const [session, setSession] = useState(sessions.load);
  const [notice, setNotice] = useState('');

  const change = (next, why = '') => {
    sessions.store(next);
    setSession(next);
    setNotice(why);
  };

  const { fetcher, dispose } = useMemo(
    () => createFetcher(session?.token, () => change(null, 'The session has ended.')),
    [session?.token],
  );
  useEffect(() => dispose, [dispose]);

  return (
    <>
      <header className="bar">
        <strong>Tollgate</strong>
        {session ? (
          <div className="signed-in">
            <span>
              Signed in as <b>{session.username}</b>
            </span>
            <button type="button" onClick={() => change(null)}>
              Sign out
            </button>
          </div>
        ) : (
          <SignIn onSession={change} notice={notice} />
        )}
      </header>
      <main>
        {/* Nobody in particular may not read the schema: no need to ask for it. */}
        <GraphiQL
          key={session?.token ?? 'nobody'}
          fetcher={fetcher}
          schema={session ? undefined : null}
          plugins={PLUGINS}
          defaultQuery=""
          shouldPersistHeaders={false}
        >
          <GraphiQL.Logo>
            <span />
          </GraphiQL.Logo>
        </GraphiQL>
      </main>
    </>
  );
}

createRoot(document.getElementById('root')).render(<Page />);
