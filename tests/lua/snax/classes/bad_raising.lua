error 'while loading'
