init = 'text'
