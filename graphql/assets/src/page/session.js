// Who is signed in: the token lives in this tab's sessionStorage and nowhere else.

const ENDPOINT = '/graphql';
const KEY = 'tollgate.session';

// The one place that knows how to sign in.
const SIGN_IN = `
  mutation SignIn($input: SignInInput!) {
    signIn(input: $input) {
      token
      userErrors { code message }
    }
  }
`;

export function load() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY));
  } catch {
    return null;
  }
}

export function store(session) {
  if (session) sessionStorage.setItem(KEY, JSON.stringify(session));
  else sessionStorage.removeItem(KEY);
}

// Resolves with a session, or throws an error whose message is for people.
export async function signIn(username, password) {
  let body;
  try {
    body = await post({ query: SIGN_IN, variables: { input: { username, password } } });
  } catch {
    throw new Error('The server cannot be reached.');
  }
  const payload = body.data?.signIn;
  if (payload?.token) return { username, token: payload.token };
  const problem = payload?.userErrors?.[0] ?? body.errors?.[0];
  throw new Error(problem?.message ?? 'Signing in failed.');
}

// Sends one request; the answer's JSON, with `status` beside it.
export async function post(params, token, headers) {
  const response = await fetch(ENDPOINT, {
    method: 'POST',
    headers: {
      ...headers,
      'content-type': 'application/json',
      accept: 'application/graphql-response+json, application/json;q=0.9',
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    },
    body: JSON.stringify(params),
  });
  try {
    const body = await response.json();
    Object.defineProperty(body, 'status', { value: response.status, enumerable: false });
    return body;
  } catch {
    return { errors: [{ message: `The server answered ${response.status} without JSON.` }] };
  }
}
