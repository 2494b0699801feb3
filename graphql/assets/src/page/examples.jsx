// The menu of ready operations. Their text comes from the server, so it can change without a new bundle.

import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useEffect, useState } from 'react';

function Icon() {
  return (
    <svg viewBox="0 0 24 24" width="24" height="24" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
      <path d="M4 5h16M4 12h10M4 19h13M18 10l3 2-3 2z" />
    </svg>
  );
}

function Menu() {
  const [examples, setExamples] = useState([]);
  const [problem, setProblem] = useState('');
  const { addTab } = useGraphiQLActions();
  const queryEditor = useGraphiQL((state) => state.queryEditor);
  const variableEditor = useGraphiQL((state) => state.variableEditor);

  useEffect(() => {
    let live = true;
    fetch('/graphiql/examples.json')
      .then((response) => response.json())
      .then((list) => live && setExamples(list))
      .catch(() => live && setProblem('The examples cannot be loaded.'));
    return () => {
      live = false;
    };
  }, []);

  const open = ({ query, variables }) => {
    if (!queryEditor) return;
    if (queryEditor.getValue().trim()) addTab();
    queryEditor.setValue(query);
    variableEditor?.setValue(variables ? JSON.stringify(variables, null, 2) : '');
    queryEditor.focus();
  };

  return (
    <section className="examples" aria-label="Examples">
      <h2>Examples</h2>
      {problem && <p role="alert">{problem}</p>}
      <ul>
        {examples.map((example) => (
          <li key={example.name}>
            <button type="button" data-example={example.name} onClick={() => open(example)}>
              {example.title}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

export const EXAMPLES_PLUGIN = { title: 'Examples', icon: Icon, content: Menu };
